//! The request line: the input is `METHOD PATH?QUERY`. Every line that docker-guard would send to Docker for it
//! must be on the oracle's list.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/guard.rs"]
#[allow(dead_code, reason = "the other target and the service use the rest")]
mod guard;
#[path = "../../src/image_name.rs"]
#[allow(dead_code, reason = "the other target and the service use the rest")]
mod image_name;
#[path = "../src/lines.rs"]
mod lines;
#[path = "../src/oracle.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod oracle;

use guard::request;

fuzz_target!(|data: &str| {
    let Some((method, target)) = data.split_once(' ') else { return };
    let Ok(method) = method.parse() else { return };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Ok(request) = request::parse(&method, path, query) else { return };
    for (method, target) in lines::lines(&request) {
        if let Err(fault) = oracle::line(method, &target) {
            panic!("{fault}");
        }
    }
});
