//! A snapshot in the text format that Prometheus reads.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, prometheus_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::snapshot::{COMMIT_BOUNDS_US, ROWS_BOUNDS, Snapshot, Spread};

/// Microseconds of a second.
#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 microseconds are 285 years"
)]
fn seconds(us: i64) -> f64 {
    us as f64 / 1_000_000.0
}

/// The numbers as a page of metrics; all begin with `sqltrail_`.
///
/// # Errors
/// Never, but for what writing to memory says.
pub fn text(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("sqltrail");
    registry.register_collector(Box::new(Page(snapshot)));
    let mut page = String::new();
    prometheus_text::encode(&mut page, &registry)?;
    Ok(page)
}

#[derive(Debug)]
struct Page(Snapshot);

/// One after the other, each with its help.
struct Metrics<'a>(DescriptorEncoder<'a>);

impl Metrics<'_> {
    fn begin<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        of: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, of)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = self.begin(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &BTreeMap<String, u64>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, None, MetricType::Counter)?;
        for (of, value) in values {
            let labels = [(label, of.as_str())];
            ConstCounter::new(*value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        let metric = self.begin(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    fn bytes(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        let metric = self.begin(name, help, Some(&Unit::Bytes), MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    /// `scale` turns what was counted into the unit.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        spread: &Spread,
        bounds: &[i64],
        scale: impl Fn(i64) -> f64,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, unit, MetricType::Histogram)?;
        let classes = spread.classes.iter().chain(std::iter::repeat(&0));
        let buckets: Vec<(f64, u64)> = bounds
            .iter()
            .zip(classes)
            .map(|(bound, count)| (scale(*bound), *count))
            .collect();
        metric.encode_histogram::<[(&str, &str); 0]>(
            scale(spread.sum),
            spread.count,
            &buckets,
            None,
        )
    }
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (now, mut page) = (&self.0, Metrics(encoder));
        let seconds_of = || Some(&Unit::Seconds);
        let build = [("version", now.version.as_str())];
        let info = page.begin("build", "Version of the recorder", None, MetricType::Info)?;
        prometheus_client::metrics::info::Info::new(build).encode(info)?;
        page.gauge(
            "start_time",
            "When the recorder started, since the Unix epoch",
            seconds_of(),
            seconds(now.started_us),
        )?;
        let mut attached = BTreeMap::<&str, u64>::new();
        for server in &now.servers {
            *attached.entry(server.system.as_str()).or_default() += 1;
        }
        let mut metric = page.begin(
            "servers",
            "Server binaries that are attached",
            None,
            MetricType::Gauge,
        )?;
        for (system, count) in attached {
            let labels = [("db_system_name", system)];
            ConstGauge::new(count).encode(metric.encode_family(&labels)?)?;
        }
        page.counters("events", "Rows stored", "kind", &now.rows)?;
        page.counters(
            "lost_events",
            "What could not be recorded, as the loss rows say",
            "reason",
            &now.lost,
        )?;
        page.bytes(
            "ring_size",
            "Size of the ring",
            now.ring.bytes.cast_signed(),
        )?;
        page.bytes(
            "ring_used",
            "What is in the ring",
            now.ring.used.cast_signed(),
        )?;
        page.bytes(
            "ring_used_max",
            "The most that was seen in the ring",
            now.ring.used_max.cast_signed(),
        )?;
        page.gauge(
            "lag",
            "Age of the oldest record that waits to be stored",
            seconds_of(),
            seconds(now.lag_us),
        )?;
        page.histogram(
            "commit_duration",
            "Time that it took to store a batch",
            seconds_of(),
            &now.commits.time_us,
            &COMMIT_BOUNDS_US,
            seconds,
        )?;
        page.histogram(
            "batch_rows",
            "Rows of a batch",
            None,
            &now.commits.rows,
            &ROWS_BOUNDS,
            |rows| seconds(rows.saturating_mul(1_000_000)),
        )?;
        page.counter(
            "failed_commits",
            "Tries to store a batch that failed",
            now.commits.failed,
        )?;
        page.gauge(
            "held_up",
            "1 while a batch waits because it could not be stored",
            None,
            f64::from(u8::from(now.held_up)),
        )?;
        self.trail(&mut page)?;
        self.disk(&mut page)?;
        page.counter("errors", "How often something went wrong", now.errors)?;
        let mut metric = page.begin(
            "last_error_time",
            "When something last went wrong, since the Unix epoch",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        if let Some(error) = &now.last_error {
            let labels = [("message", error.message.as_str())];
            ConstGauge::new(seconds(error.at_us)).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Page {
    fn disk(&self, page: &mut Metrics<'_>) -> fmt::Result {
        let now = &self.0;
        page.bytes(
            "disk_free",
            "Free space on the disk of the trail",
            now.disk.free_bytes,
        )?;
        let mut metric = page.begin(
            "disk_stage",
            "1 for the stage that the disk is in",
            None,
            MetricType::Gauge,
        )?;
        for stage in ["ok", "warn", "act"] {
            let labels = [("stage", stage)];
            let is_in = i64::from(now.disk.stage == stage);
            ConstGauge::new(is_in).encode(metric.encode_family(&labels)?)?;
        }
        page.gauge(
            "reading_stopped",
            "1 while nothing is read because the disk is full",
            None,
            f64::from(u8::from(now.disk.reading_stopped)),
        )?;
        let held_us = now
            .wal_held_since_us
            .map_or(0, |since| now.at_us.saturating_sub(since).max(0));
        page.gauge(
            "wal_held",
            "How long a reader has kept the write-ahead log from being taken over",
            Some(&Unit::Seconds),
            seconds(held_us),
        )
    }

    fn trail(&self, page: &mut Metrics<'_>) -> fmt::Result {
        let trail = &self.0.trail;
        let mut metric = page.begin(
            "segments",
            "Segments of the database, by state",
            None,
            MetricType::Gauge,
        )?;
        for (state, count) in &trail.segments {
            let labels = [("state", state.as_str())];
            ConstGauge::new(*count).encode(metric.encode_family(&labels)?)?;
        }
        page.bytes(
            "database_size",
            "Size of the database file",
            trail.database_bytes,
        )?;
        page.bytes(
            "wal_size",
            "Size of the database's write-ahead log",
            trail.wal_bytes,
        )?;
        page.bytes(
            "archive_size",
            "Size of the Parquet files",
            trail.archive_bytes,
        )?;
        let metric = page.begin(
            "archive_files",
            "Parquet files of the archive",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(trail.archive_files).encode(metric)
    }
}
