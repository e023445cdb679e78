use std::fs;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Own {
    limits: Vec<String>,
    #[serde(with = "duration")]
    pause: Duration,
}

const DEFAULTS: Defaults = Defaults {
    name: "payment",
    about: "For a test.",
    listen: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 50051),
};

fn load_with(
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Settings<Own>, ConfigError> {
    let arguments = ["payment"].iter().chain(arguments).map(OsString::from);
    load(&DEFAULTS, arguments, |variable| {
        let found = environment
            .iter()
            .find(|(name, _)| variable == OsStr::new(name));
        found.map(|(_, value)| OsString::from(value))
    })
}

fn with_file(
    text: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Settings<Own>, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("payment.toml");
    fs::write(&path, text).expect("a file");
    let path = path.display().to_string();
    let mut all = vec!["--config", path.as_str()];
    all.extend(arguments);
    load_with(&all, environment)
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let file = "listen = '127.0.0.1:3'\ntls = 'file'\ndatabase = 'file.db'\n";
    let environment = [
        ("PAYMENT_LISTEN", "127.0.0.1:2"),
        ("PAYMENT_TLS", "environment"),
    ];
    let settings = with_file(file, &["--listen", "127.0.0.1:1"], &environment).expect("settings");
    assert_eq!(settings.listen.port(), 1);
    assert_eq!(settings.tls, PathBuf::from("environment"));
    assert_eq!(settings.database, DatabaseUrl::new("file.db"));
    assert_eq!(settings.log.filter, "info");

    let settings = load_with(&["--tls", "t"], &[]).expect("settings");
    assert_eq!(settings.listen, DEFAULTS.listen);
    assert_eq!(settings.database, DatabaseUrl::new("payment.db"));
    assert!(
        settings.allow.is_empty(),
        "nobody may call anything unless somebody says so"
    );
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let settings = load_with(&["--tls", "t"], &[("PAYMENT_LISTEN", "")]).expect("settings");
    assert_eq!(settings.listen, DEFAULTS.listen);
}

#[test]
fn everything_can_be_said_in_the_file() {
    let settings = with_file(
        r#"
            tls = "certs"
            [log]
            format = "json"
            [allow]
            "payment.v1.Payment/Create" = ["spiffe://example.org/order"]
            [server]
            max_in_flight = 7
            drain = "250ms"
            [server.deadline]
            max = "10s"
            reserve = "35ms"
            [peers.shipping]
            address = "https://127.0.0.1:50052"
            server_name = "shipping.example.org"
            [peers.shipping.policy]
            deadline = "1s"
            retry.max_attempts = 4
            [service]
            limits = ["1.00 EUR"]
            pause = "2s"
        "#,
        &[],
        &[],
    )
    .expect("settings");
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(
        settings.allow["payment.v1.Payment/Create"],
        ["spiffe://example.org/order"]
    );
    assert_eq!(settings.server.max_in_flight, 7);
    assert_eq!(settings.server.drain, Duration::from_millis(250));
    assert_eq!(settings.server.deadline.max, Duration::from_secs(10));
    assert_eq!(settings.server.deadline.reserve, Duration::from_millis(35));
    assert_eq!(
        settings.peers["shipping"].server_name.as_deref(),
        Some("shipping.example.org")
    );
    assert_eq!(
        settings.peers["shipping"].policy.deadline,
        Duration::from_secs(1)
    );
    assert_eq!(settings.peers["shipping"].policy.retry.max_attempts, 4);
    assert_eq!(settings.service.limits, ["1.00 EUR"]);
    assert_eq!(settings.service.pause, Duration::from_secs(2));
}

#[test]
fn a_peers_address_on_the_command_line_leaves_the_rest_of_its_table() {
    let file = "tls = 't'\n[peers.shipping]\naddress = 'https://a:1'\nserver_name = 'n'\n";
    let flags = [
        "--peer",
        "shipping=https://b:2",
        "--peer",
        "product=https://c:3",
    ];
    let settings = with_file(file, &flags, &[]).expect("settings");
    assert_eq!(settings.peers["shipping"].address, "https://b:2");
    assert_eq!(settings.peers["shipping"].server_name.as_deref(), Some("n"));
    assert_eq!(settings.peers["product"].address, "https://c:3");

    let environment = [("PAYMENT_PEER", "shipping=https://d:4 product=https://e:5")];
    let settings = with_file(file, &[], &environment).expect("settings");
    assert_eq!(settings.peers["shipping"].address, "https://d:4");
    assert_eq!(settings.peers["product"].address, "https://e:5");
}

#[test]
fn a_flag_for_one_peer_leaves_what_the_environment_says_of_the_others() {
    let file = "tls = 't'\n[peers.payment]\naddress = 'https://file:1'\n";
    let environment = [(
        "PAYMENT_PEER",
        "payment=https://variable:2 shipping=https://variable:3",
    )];
    let flags = [
        "--peer",
        "product=https://flag:4",
        "--peer",
        "shipping=https://flag:5",
    ];
    let settings = with_file(file, &flags, &environment).expect("settings");
    assert_eq!(settings.peers["payment"].address, "https://variable:2");
    assert_eq!(settings.peers["shipping"].address, "https://flag:5");
    assert_eq!(settings.peers["product"].address, "https://flag:4");
}

#[test]
fn a_password_is_never_shown_in_whatever_shape_it_is_given() {
    for url in [
        "postgres://alice:hunter2@db/orders",
        "postgres://alice:hunt@hunter2@db/orders",
        "postgres://db/orders?user=alice&password=hunter2@",
        "postgres:alice:hunter2@db/orders",
        "postgresql:alice:hunter2@db/orders",
        "alice:hunter2@db/orders",
        "host=db user=alice password=hunter2 dbname=orders",
        "password=hunter2",
        "password = hunter2 host = db",
        "PASSWORD=hunter2",
        "PGPASSWORD=hunter2 psql",
        "alice:hunter2",
        "mysql:root:hunter2",
        "//alice:hunter2@db/orders",
        "Postgres:alice:hunter2",
        // Without a host, without an escape, with the wrong sign before the parameters, with a word in front.
        "postgres://alice:hunter2",
        "postgres://alice:hunter2/orders",
        "postgres://alice:hun/ter2:hunter2/orders",
        "postgres://alice;password=hunter2@db/orders",
        "postgres://db/orders;password=hunter2",
        "postgres://db/orders&password=hunter2",
        "postgres://db/orders#password=hunter2",
        "postgres://db orders password=hunter2",
        "postgres://[alice]:hunter2/orders",
        "mysql://alice:hunter2@db/orders",
        "alice:hunter2@postgres://db/orders",
        "DATABASE_URL=hunter2 postgres://db/orders",
    ] {
        let url = DatabaseUrl::new(url);
        let shown = format!("{url} {url:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_database_that_is_not_text_is_refused_unseen() {
    use std::os::unix::ffi::OsStringExt as _;

    let url = OsString::from_vec(b"postgres://alice:hunter2\xff@db/orders".to_vec());
    let arguments = ["payment".into(), "--database".into(), url];
    let error = load::<Own>(&DEFAULTS, arguments, |_| None).expect_err("a refusal");
    let said = error.to_string();
    assert!(
        said.starts_with("--database is ") && !said.contains("hunter2"),
        "{said}"
    );
}

#[test]
fn a_path_is_shown_as_it_is() {
    for path in [
        "order.db",
        "/var/lib/me@home/order.db",
        "sqlite:me@home.db",
        "./postgres.db",
        "./me@home=a:b.db",
        "sqlite:///var/lib/my orders=1/order.db",
    ] {
        assert_eq!(DatabaseUrl::new(path).to_string(), path);
    }
}

#[test]
fn a_field_that_does_not_exist_is_refused_with_its_line_and_what_was_meant() {
    for (text, expected) in [
        (
            "\n\nlsiten = '127.0.0.1:1'\n",
            "line 3: there is no field `lsiten` here; did you mean `listen`?",
        ),
        (
            "[server]\nmax_inflight = 1\n",
            "line 2: there is no field `max_inflight` here; did you mean `max_in_flight`?",
        ),
        (
            "[service]\nlimit = []\n",
            "line 2: there is no field `limit` here; did you mean `limits`?",
        ),
        (
            "[service]\ncolour = 1\n",
            "line 2: there is no field `colour` here; there are limits, pause",
        ),
        (
            "[peers.a]\naddress = 'https://a:1'\nsever_name = 'x'\n",
            "line 3: there is no field `sever_name` here; did you mean `server_name`?",
        ),
    ] {
        let error = with_file(text, &["--tls", "t"], &[])
            .expect_err("a refusal")
            .to_string();
        assert!(
            error.ends_with(expected),
            "{error}\nshould end with\n{expected}"
        );
        assert!(error.contains("payment.toml"), "{error}");
    }
}

#[test]
fn a_value_of_another_kind_is_refused_on_one_line() {
    for (text, expected) in [
        ("[server]\nmax_in_flight = 'many'\n", "line 2"),
        ("[server]\ndrain = 5\n", "line 2"),
        ("[server]\n\ndrain = '5'\n", "line 3"),
        ("listen = \n", "line 1"),
        ("[log]\nformat = 'xml'\n", "line 2"),
    ] {
        let error = with_file(text, &["--tls", "t"], &[])
            .expect_err("a refusal")
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn whoever_gave_a_wrong_value_is_named() {
    let error = load_with(&["--listen", "here", "--tls", "t"], &[]).expect_err("a refusal");
    assert!(
        error.to_string().starts_with("--listen is \"here\""),
        "{error}"
    );
    let error = load_with(&["--tls", "t"], &[("PAYMENT_LISTEN", "there")]).expect_err("a refusal");
    assert!(
        error.to_string().starts_with("PAYMENT_LISTEN is \"there\""),
        "{error}"
    );
    let error = with_file("listen = 'nowhere'\n", &["--tls", "t"], &[]).expect_err("a refusal");
    assert!(error.to_string().starts_with("`listen` in "), "{error}");
    let error = load_with(&["--peer", "shipping", "--tls", "t"], &[]).expect_err("a refusal");
    assert!(
        error.to_string().starts_with("--peer is \"shipping\""),
        "{error}"
    );
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let error = load_with(&["--config", "/nowhere/payment.toml"], &[]).expect_err("a refusal");
    assert!(
        error.to_string().contains("/nowhere/payment.toml"),
        "{error}"
    );
}

#[test]
fn a_password_is_never_shown() {
    for (url, shown) in [
        (
            "postgres://order:hunter2@db:5432/order",
            "postgres://order@db:5432/order",
        ),
        (
            "postgres://order:hun/ter2@db/order",
            "postgres://order@db/order",
        ),
        (
            "postgres://db/order?password=hunter2",
            "postgres://db/order",
        ),
        ("postgres://db?password=hunter2", "postgres://db"),
        (
            "postgres://order:h@nter2@db/order",
            "postgres://order@db/order",
        ),
        ("postgres://order:hun?ter2@db/order", "…"),
        ("postgres://db/order?password=hu@nter2", "…"),
        (
            "postgres://order@[::1]:5432,db-2.example.org:5433/order",
            "postgres://order@[::1]:5432,db-2.example.org:5433/order",
        ),
        (
            "postgres://order@%2Frun%2Fpg/order",
            "postgres://order@%2Frun%2Fpg/order",
        ),
        ("order.db", "order.db"),
        ("sqlite:order.db", "sqlite:order.db"),
    ] {
        let url = DatabaseUrl::new(url);
        assert_eq!(url.to_string(), shown);
        assert!(!format!("{url:?}").contains("nter2"), "{url:?}");
    }
}
