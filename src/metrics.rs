//! What is counted of a running process, for Prometheus. Labels come from short lists of our own, so that nobody outside can make
//! them many.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

/// Upper bounds of the times that are told apart, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// What a request is counted under.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Event {
    event: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Service {
    service: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct JobTry {
    job: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Limited {
    endpoint: &'static str,
    by: &'static str,
}

/// Events of the audit trail, once they are durable. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Events(Family<Event, Counter>);

impl Events {
    /// Counts one, by its name in the trail.
    pub fn count(&self, event: &'static str) {
        self.0.get_or_create(&Event { event }).inc();
    }
}

/// All that is counted.
pub struct Metrics {
    registry: Registry,
    /// How many there were is told beside: one look-up for both.
    requests: Family<Request, Histogram, fn() -> Histogram>,
    up: Family<Service, Gauge>,
    jobs: Gauge,
    tries: Family<JobTry, Counter>,
    unsealed: Gauge,
    limited: Family<Limited, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Metrics {
    /// Nothing counted yet, but for the events.
    pub fn new(events: &Events) -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let requests: Family<_, _, fn() -> Histogram> = Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let (up, jobs, limited) = (Family::default(), Gauge::default(), Family::default());
        let (unsealed, tries) = (Gauge::default(), Family::default());
        registry.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let help = "From the head of a request until its answer begins";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, requests.clone());
        registry.register("events", "Events of the audit trail, by their names there", events.0.clone());
        registry.register("service_up", "Whether a service that this node needs answers", up.clone());
        registry.register("jobs_waiting", "Jobs in the queue, mails among them, whose time has come", jobs.clone());
        let help = "Tries at jobs of the queue, by how they ended: done, failed (and tried again) or given up";
        registry.register("job_tries", help, tries.clone());
        let help = "Since when the oldest event of the audit trail waits for its seal, which takes half a minute";
        registry.register_with_unit("audit_unsealed", help, Unit::Seconds, unsealed.clone());
        registry.register("rate_limited", "Requests that were refused because there were too many", limited.clone());
        Self { registry, requests, up, jobs, tries, unsealed, limited }
    }

    /// Counts a request that was answered. `route` is the pattern that it matched.
    pub fn answered(&self, route: &str, method: &'static str, status: u16, seconds: f64) {
        self.requests.get_or_create(&Request { route: route.to_owned(), method, status }).observe(seconds);
    }

    /// Notes whether a service answers.
    pub fn service(&self, service: &'static str, is_up: bool) {
        self.up.get_or_create(&Service { service }).set(i64::from(is_up));
    }

    /// Notes how many jobs wait.
    pub fn jobs_waiting(&self, count: i64) {
        self.jobs.set(count);
    }

    /// Counts a try at a job: at which kind of job, and how it ended.
    pub fn job_tried(&self, job: &'static str, outcome: &'static str) {
        self.tries.get_or_create(&JobTry { job, outcome }).inc();
    }

    /// Notes for how many seconds the oldest event of the audit trail waits for its seal.
    pub fn unsealed_for(&self, seconds: i64) {
        self.unsealed.set(seconds);
    }

    /// Counts a request that was refused because there were too many: at which endpoint, and whose.
    pub fn rate_limited(&self, endpoint: &'static str, by: &'static str) {
        self.limited.get_or_create(&Limited { endpoint, by }).inc();
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_in_the_format_of_openmetrics() {
        let events = Events::default();
        let metrics = Metrics::new(&events);
        events.count("login.succeeded");
        events.count("login.succeeded");
        metrics.answered("/token", "POST", 200, 0.004);
        metrics.service("database", true);
        metrics.service("redis", false);
        metrics.jobs_waiting(3);
        metrics.job_tried("mail", "done");
        metrics.rate_limited("token", "address");
        let text = metrics.text();
        for line in [
            "countersign_events_total{event=\"login.succeeded\"} 2",
            "countersign_http_request_duration_seconds_count{route=\"/token\",method=\"POST\",status=\"200\"} 1",
            "countersign_http_request_duration_seconds_bucket{le=\"0.005\",route=\"/token\",method=\"POST\",status=\"200\"} 1",
            "countersign_service_up{service=\"database\"} 1",
            "countersign_service_up{service=\"redis\"} 0",
            "countersign_jobs_waiting 3",
            "countersign_job_tries_total{job=\"mail\",outcome=\"done\"} 1",
            "countersign_rate_limited_total{endpoint=\"token\",by=\"address\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }
}
