//! Figures, what the design asks for beside them, and how they are shown.

use std::io::Write as _;

use serde_json::{Map, Value, json};

use super::Fallible;
use super::args::Args;
use super::population::Sizes;

/// Figures in the order in which they were measured.
pub(crate) struct Figures {
    rows: Vec<Figure>,
    values: Map<String, Value>,
}

struct Figure {
    what: String,
    figure: String,
    target: String,
    how: String,
}

impl Figures {
    pub(crate) fn new(args: &Args) -> Self {
        let mut values = Map::new();
        values.insert("heartbeats".into(), Sizes::of(args).all().into());
        values.insert("nodes".into(), args.nodes.into());
        values.insert("rate".into(), args.rate.into());
        values.insert("seconds".into(), args.seconds.into());
        Self {
            rows: Vec::new(),
            values,
        }
    }

    /// A line of the table; `target` is the design's number, if it has one.
    pub(crate) fn row(&mut self, what: &str, figure: String, (target, how): (&str, &str)) {
        let (target, how) = (target.to_owned(), how.to_owned());
        self.rows.push(Figure {
            what: what.to_owned(),
            figure,
            target,
            how,
        });
    }

    /// A value for machines.
    pub(crate) fn value(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Everything, and whether it counts.
    pub(crate) fn print(mut self, args: &Args, wrong: &[String]) -> Fallible<()> {
        let mut out = std::io::stdout().lock();
        if args.json {
            self.value("valid", wrong.is_empty());
            self.value("wrong", json!(wrong));
            let text = serde_json::to_string_pretty(&Value::Object(self.values))?;
            writeln!(out, "{text}")?;
            return Ok(());
        }
        let width = |of: fn(&Figure) -> &str| {
            self.rows
                .iter()
                .map(|row| of(row).chars().count())
                .max()
                .unwrap_or(0)
        };
        let (first, second) = (width(|row| &row.what), width(|row| &row.figure));
        let third = width(|row| &row.target);
        for row in &self.rows {
            let Figure {
                what,
                figure,
                target,
                how,
            } = row;
            writeln!(
                out,
                "{what:first$}  {figure:<second$}  {target:third$}  {how}"
            )?;
        }
        match wrong {
            [] => writeln!(out, "\nRows counted afterwards: as they should be.")?,
            wrong => writeln!(out, "\nNOT VALID:\n  {}", wrong.join("\n  "))?,
        }
        Ok(())
    }
}

/// Says what is being done, beside the figures.
pub(crate) fn progress(text: &str) -> Fallible<()> {
    writeln!(std::io::stderr(), "{text}")?;
    Ok(())
}

/// Says why nothing came of it.
pub(crate) fn complain(text: &str) -> Fallible<()> {
    progress(&format!("load: {text}"))
}

/// Measured times, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn new(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The smallest value that is not below this share of all.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let rank = (share * ratio_base(self.0.len())).ceil();
        let place = (1..=self.0.len())
            .find(|place| ratio_base(*place) >= rank)
            .unwrap_or(1);
        self.0.get(place - 1).copied().unwrap_or(0.0)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn shown(&self) -> String {
        let (p50, p99, max) = (self.at(0.5), self.at(0.99), self.max());
        format!("p50 {p50:.1}, p99 {p99:.1}, max {max:.1} ms")
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "count": self.len(),
            "p50_ms": self.at(0.5),
            "p99_ms": self.at(0.99),
            "max_ms": self.max(),
        })
    }
}

fn ratio_base(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// A count as a number to calculate with.
pub(crate) fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Bytes as megabytes of a million.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", float(bytes / 1_000) / 1_000.0)
}

/// The middle of several measurements.
pub(crate) fn median(measured: &[f64]) -> f64 {
    Times::new(measured.to_vec()).at(0.5)
}
