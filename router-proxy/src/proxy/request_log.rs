//! One line a request, written when its answer has gone out or broken off. Query strings are left out: they
//! may carry codes.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, StatusCode};
use service_kit::telemetry;
use tokio::time::Instant;

use super::log_line::Line;
use crate::metrics::RouterMetrics;
use crate::routes::Route;

/// What is known of a request; dropping it writes the line.
pub(crate) struct RequestLog {
    pub(crate) request_id: String,
    /// Where it leads, once that is known.
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) status: StatusCode,
    pub(crate) upstream_ms: Option<u64>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// How the answer ended where it did not end well.
    pub(crate) outcome: &'static str,
    method: Method,
    path: String,
    client: IpAddr,
    pub(crate) started: Instant,
    metrics: RouterMetrics,
    is_discarded: bool,
}

impl RequestLog {
    pub(crate) fn new(
        request_id: String,
        method: &Method,
        path: &str,
        client: IpAddr,
        metrics: &RouterMetrics,
    ) -> Self {
        Self {
            request_id,
            route: None,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            upstream_ms: None,
            bytes_in: 0,
            bytes_out: 0,
            outcome: "aborted",
            method: method.clone(),
            path: path.to_owned(),
            client,
            started: Instant::now(),
            metrics: metrics.clone(),
            is_discarded: false,
        }
    }

    /// Somebody else serves the request and writes its line.
    pub(crate) fn discard(&mut self) {
        self.is_discarded = true;
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        if self.is_discarded {
            return;
        }
        self.metrics.request(self.status);
        match telemetry::access_lines() {
            // Thousands of lines a second: made here, in the form that the subscriber would give them.
            Some(lines) => lines.line(&self.json()),
            None => self.event(),
        }
    }
}

impl RequestLog {
    fn event(&self) {
        let route = self.route.as_deref().map(|route| &route.file);
        tracing::info!(
            target: telemetry::ACCESS_TARGET,
            method = %self.method,
            slug = route.map(|route| route.slug.as_str()),
            instance_id = route.map(|route| tracing::field::display(route.instance_id)),
            path = self.path,
            status = self.status.as_u16(),
            duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            upstream_ms = self.upstream_ms,
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            upgrade = (self.status == StatusCode::SWITCHING_PROTOCOLS).then_some("websocket"),
            outcome = self.outcome,
            client = %self.client,
            request_id = self.request_id,
            "request"
        );
    }

    /// The same as [`Self::event`], as a line of JSON.
    fn json(&self) -> Vec<u8> {
        let mut line = Line::begin();
        line.shown("method", &self.method);
        if let Some(route) = self.route.as_deref().map(|route| &route.file) {
            line.shown("slug", &route.slug);
            line.shown("instance_id", route.instance_id);
        }
        line.text("path", &self.path);
        line.shown_bare("status", self.status.as_u16());
        line.shown_bare("duration_ms", self.started.elapsed().as_millis());
        if let Some(upstream_ms) = self.upstream_ms {
            line.shown_bare("upstream_ms", upstream_ms);
        }
        line.shown_bare("bytes_in", self.bytes_in);
        line.shown_bare("bytes_out", self.bytes_out);
        if self.status == StatusCode::SWITCHING_PROTOCOLS {
            line.shown("upgrade", "websocket");
        }
        line.shown("outcome", self.outcome);
        line.shown("client", self.client);
        line.shown("request_id", &self.request_id);
        line.end()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Mutex, PoisonError};

    use serde_json::Value;
    use service_kit::metrics::Metrics;

    use super::*;
    use crate::routes::RouteTable;
    use crate::routes::table::tests::ready;

    /// What was logged while `body` ran, a value each line.
    fn logged(body: impl FnOnce(&RouterMetrics)) -> Vec<Value> {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
        tracing::subscriber::with_default(subscriber.finish(), || body(&RouterMetrics::new(&Metrics::new())));
        let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect()
    }

    #[test]
    fn a_line_says_who_what_where_and_how_it_ended() {
        const INSTANCE: &str = "01JDF3X5S8Q4M7R2V6T9W0YZAB";
        let table = RouteTable::new();
        table.apply(vec![ready(1, "10.89.0.10:8080", INSTANCE)]);
        let client = IpAddr::from([203, 0, 113, 7]);
        let lines = logged(|metrics| {
            let mut log = RequestLog::new("id-1".to_owned(), &Method::GET, "/chat", client, metrics);
            log.route = table.get("alice");
            log.status = StatusCode::SWITCHING_PROTOCOLS;
            (log.bytes_in, log.bytes_out, log.outcome) = (3, 5, "ok");
            drop(log);
            drop(RequestLog::new("id-2".to_owned(), &Method::GET, "/", client, metrics));
        });
        let [tunnel, aborted] = lines.as_slice() else { panic!("two lines: {lines:?}") };
        for (name, value) in [
            ("method", Value::from("GET")),
            ("slug", "alice".into()),
            ("instance_id", INSTANCE.into()),
            ("path", "/chat".into()),
            ("status", 101.into()),
            ("upgrade", "websocket".into()),
            ("bytes_in", 3.into()),
            ("bytes_out", 5.into()),
            ("outcome", "ok".into()),
            ("client", "203.0.113.7".into()),
            ("request_id", "id-1".into()),
        ] {
            assert_eq!(tunnel[name], value, "{name} of {tunnel}");
        }
        assert_eq!((&aborted["status"], &aborted["outcome"]), (&500.into(), &"aborted".into()));
        assert!(aborted.get("slug").is_none() && aborted.get("upgrade").is_none(), "{aborted}");
    }

    #[test]
    fn a_line_made_here_says_the_same_as_the_subscribers() {
        let table = RouteTable::new();
        table.apply(vec![ready(1, "10.89.0.10:8080", "01JDF3X5S8Q4M7R2V6T9W0YZAB")]);
        let metrics = RouterMetrics::new(&Metrics::new());
        for (path, status, is_known) in [("/a\"b\\c", 101, true), ("/", 200, false)] {
            let client = IpAddr::from([203, 0, 113, 7]);
            let mut log = RequestLog::new("id-1".to_owned(), &Method::PUT, path, client, &metrics);
            log.status = StatusCode::from_u16(status).expect("a status");
            (log.bytes_in, log.bytes_out) = (3, 5);
            if is_known {
                (log.route, log.upstream_ms) = (table.get("alice"), Some(7));
            }
            let line = log.json();
            assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
            let mut ours: Value = serde_json::from_slice(&line).expect("JSON");
            let mut theirs = logged(|_| drop(log)).remove(0);
            for line in [&mut ours, &mut theirs] {
                let fields = line.as_object_mut().expect("an object");
                let timestamp = fields.remove("timestamp").expect("a time");
                assert_eq!(timestamp.as_str().expect("text").len(), "2026-01-02T03:04:05.678901Z".len());
                // Some time passes between the two.
                assert!(fields.remove("duration_ms").expect("a duration").is_u64());
            }
            assert_eq!(ours, theirs);
        }
    }
}
