//! Compiles the .proto files with protox, in process: no `protoc` is needed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const FILES: [&str; 4] = [
    "order/v1/order.proto",
    "payment/v1/payment.proto",
    "product/v1/product.proto",
    "shipping/v1/shipping.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["."])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(FILES)?;
    // protox's own encoding keeps custom options, which prost's type of the same message would drop.
    fs::write(
        out.join("file_descriptor_set.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-changed=google/type/money.proto");
    Ok(())
}
