//! What it costs a proxy to be shown who a producer is: the same reports to a stream that asks for nothing, to one that
//! asks for a token and to one that asks for a service account, of one proxy in turn. Ratios are of medians.

use std::sync::Arc;
use std::time::Duration;

use sluice_tests::kafka::{self, Broker, Listeners};
use sluice_tests::proxy::Proxy;
use sluice_tests::service_account::{Signer, claims};
use sluice_tests::{document, http};
use sluice_wire::access;
use sluice_wire::auth::{Account, Auth, Token};
use sluice_wire::document::Stream;

use crate::cpu;
use crate::load::{self, Load};
use crate::rounds::{Plan, median};

const SECRET: &str = "a-token-as-openssl-makes-it-0";

/// A stream to measure.
struct Guarded {
    name: &'static str,
    headers: String,
    cpu_us: Vec<f64>,
    p99: Vec<f64>,
}

/// Measures and prints.
pub(crate) fn run(plan: &Plan) {
    let broker = Broker::start(Listeners::default());
    let topic = kafka::unique_name("guards");
    kafka::create(&broker.address(), &topic, 8, &[]);
    let signer = Signer::new();
    let stream = |name: &str, auth: Auth| Stream { auth, ..document::stream("g", name, "kafka", &topic) };
    let sha256 = sluice_identity::digest("default/g-token", SECRET);
    let account = Account { namespace: "shop".to_owned(), name: Some("orders".to_owned()) };
    let streams = vec![
        stream("account", Auth::ServiceAccounts(vec![account])),
        stream("open", Auth::None),
        stream("token", Auth::Tokens(vec![Token { id: "one".to_owned(), sha256 }])),
    ];
    let mut document = document::on_kafka(&broker.address(), streams);
    document.listeners =
        access::Listeners { token_keys: Some(signer.keys()), ..access::Listeners::default() };
    let proxy = Proxy::start(&document);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let guarded = |name, headers| Guarded { name, headers, cpu_us: Vec::new(), p99: Vec::new() };
    let mut all = [
        guarded("open", String::new()),
        guarded("token", bearer(SECRET)),
        guarded("account", bearer(&signer.token(&claims("shop", "orders")))),
    ];
    println!(
        "\nwho a producer is: {} rounds of {} s, {} reports a second",
        plan.rounds,
        plan.length.as_secs(),
        plan.rate
    );
    for one in &all {
        load::run(&load(plan, &proxy, one, Duration::from_secs(3)));
    }
    for round in 0..plan.rounds {
        // Each is as often the first as any other.
        for at in 0..all.len() {
            let one = (at + round) % all.len();
            measure(plan, &proxy, &mut all[one]);
        }
    }
    let [open, guarded @ ..] = &all;
    println!(
        "{:<10} CPU a report {:>6.1} us   p99 {:.2} ms",
        open.name,
        median(&open.cpu_us),
        median(&open.p99)
    );
    for one in guarded {
        let ratio = median(&one.cpu_us) / median(&open.cpu_us);
        println!(
            "{:<10} CPU a report {:>6.1} us   p99 {:.2} ms   over open {ratio:.3}",
            one.name,
            median(&one.cpu_us),
            median(&one.p99)
        );
    }
}

fn load(plan: &Plan, proxy: &Proxy, guarded: &Guarded, length: Duration) -> Load {
    let form = format!("groupId=g&streamId={}&body={}", guarded.name, "x".repeat(100));
    Load {
        address: proxy.http().to_owned(),
        request: Arc::from(http::post("/dataproxy/message", &guarded.headers, &form)),
        connections: plan.connections,
        length,
        rate: Some(plan.rate),
    }
}

fn measure(plan: &Plan, proxy: &Proxy, guarded: &mut Guarded) {
    let before = cpu::used(proxy.pid());
    let mut result = load::run(&load(plan, proxy, guarded, plan.length));
    let used = cpu::used(proxy.pid()) - before;
    assert!(result.other == 0 && result.stored > 0, "{}: {} are not stored", guarded.name, result.other);
    guarded.cpu_us.push(used.as_secs_f64() * 1e6 / result.stored as f64);
    guarded.p99.push(result.percentile(0.99).as_secs_f64() * 1e3);
}
