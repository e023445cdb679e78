//! The order service between its neighbours, all in one process.

#[path = "../../../rpc/tests/support/certificates.rs"]
mod certificates;
#[path = "../../../rpc/tests/support/full_disk.rs"]
mod full_disk_support;
#[path = "../../../rpc/tests/support/postgres.rs"]
mod postgres;

mod command;
mod contract;
mod create;
mod faults;
mod full_disk;
mod left_behind;
mod list;
mod log;
mod stop;
mod support;
mod watch;
