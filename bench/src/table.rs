//! Figures, their limits, and the one table they end in.

use crate::{Error, Result, fail};

/// One round of a measurement: the figure and, right beside it in time, what it is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub measured: f64,
    pub compared: f64,
}

/// What a figure may be at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// So many times what it is compared with.
    Times(f64),
    /// So much more than what it is compared with.
    Above(f64),
    /// So much.
    AtMost(f64),
    /// Nobody set one.
    None,
}

/// A row that was measured.
#[derive(Debug)]
pub struct Figure {
    pub unit: &'static str,
    pub rounds: Vec<Round>,
    /// What `compared` is.
    pub against: &'static str,
    pub limit: Limit,
}

impl Figure {
    /// A figure that is compared with nothing.
    pub fn alone(unit: &'static str, measured: impl IntoIterator<Item = f64>, limit: Limit) -> Self {
        let rounds = measured.into_iter().map(|measured| Round { measured, compared: 0.0 }).collect();
        Self { unit, rounds, against: "", limit }
    }

    /// The number that the limit is about, for one round.
    fn judged(&self, round: &Round) -> f64 {
        match self.limit {
            Limit::Times(_) => round.measured / round.compared,
            Limit::Above(_) => round.measured - round.compared,
            Limit::None if !self.against.is_empty() => round.measured / round.compared,
            Limit::AtMost(_) | Limit::None => round.measured,
        }
    }

    /// The median over the rounds of the number that the limit is about: a figure and its comparison of the same round
    /// meet the same weather on the machine, their medians need not.
    fn result(&self) -> f64 {
        self.median(|round| self.judged(round))
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }

    fn verdict(&self) -> Verdict {
        match self.limit {
            Limit::Times(most) | Limit::Above(most) | Limit::AtMost(most) if self.result() <= most => Verdict::Ok,
            Limit::Times(_) | Limit::Above(_) | Limit::AtMost(_) => Verdict::Missed,
            Limit::None => Verdict::NoLimit,
        }
    }

    fn cells(&self) -> [String; 6] {
        let unit = self.unit;
        let measured = format!("{:.1} {unit}", self.median(|round| round.measured));
        let compared =
            if self.against.is_empty() { String::new() } else { format!("{:.1} {unit}", self.median(|r| r.compared)) };
        let (result, limit) = match self.limit {
            Limit::Times(most) => (format!("{:.2} x", self.result()), format!("{most:.2} x")),
            Limit::Above(most) => (format!("{:+.1} {unit}", self.result()), format!("{most:+.1} {unit}")),
            Limit::AtMost(most) => (String::new(), format!("{most:.1} {unit}")),
            Limit::None if compared.is_empty() => (String::new(), "-".to_owned()),
            Limit::None => (format!("{:.2} x", self.result()), "-".to_owned()),
        };
        let judged = self.rounds.iter().map(|round| self.judged(round));
        let (low, high) = judged.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), n| (low.min(n), high.max(n)));
        let spread = if self.rounds.len() > 1 { format!("{low:.2} … {high:.2}") } else { String::new() };
        let against = if compared.is_empty() { String::new() } else { format!("{} {compared}", self.against) };
        [measured, against, result, spread, limit, self.verdict().word().to_owned()]
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Ok,
    Missed,
    NoLimit,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missed => "MISSED",
            Self::NoLimit => "",
        }
    }
}

/// The rows in the order in which they were measured.
#[derive(Debug, Default)]
pub struct Table(Vec<(&'static str, Result<Figure>)>);

impl Table {
    pub fn push(&mut self, name: &'static str, figure: Result<Figure>) {
        let figure = figure.and_then(|figure| {
            if figure.rounds.is_empty() { Err(fail("not a single round was measured")) } else { Ok(figure) }
        });
        self.0.push((name, figure));
    }

    pub fn missed(&self) -> bool {
        self.0.iter().any(|(_, figure)| figure.as_ref().is_ok_and(|figure| figure.verdict() == Verdict::Missed))
    }

    /// The rows that have no figure, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &Error)> {
        self.0.iter().filter_map(|(name, figure)| Some((*name, figure.as_ref().err()?)))
    }

    pub fn print(&self) {
        const HEAD: [&str; 7] = ["figure", "measured", "compared with", "result", "rounds", "limit", ""];
        let mut lines = vec![HEAD.map(str::to_owned)];
        for (name, figure) in &self.0 {
            let [measured, against, result, spread, limit, verdict] = match figure {
                Ok(figure) => figure.cells(),
                Err(_) => ["-", "", "", "", "", "FAILED"].map(str::to_owned),
            };
            lines.push([(*name).to_owned(), measured, against, result, spread, limit, verdict]);
        }
        let mut widths = [0; 7];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        for line in lines {
            let cells: Vec<_> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            println!("{}", cells.join("  ").trim_end());
        }
    }
}

/// The middle one; of an even number, the mean of the middle two.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let (lower, upper) = (numbers.get(numbers.len().saturating_sub(1) / 2), numbers.get(numbers.len() / 2));
    lower.zip(upper).map_or(f64::NAN, |(lower, upper)| f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(limit: Limit, rounds: &[(f64, f64)]) -> Figure {
        let rounds = rounds.iter().map(|&(measured, compared)| Round { measured, compared }).collect();
        Figure { unit: "µs", rounds, against: "a signature", limit }
    }

    #[test]
    fn the_median_ignores_one_bad_round() {
        let slow_machine = [(115.0, 100.0), (230.0, 200.0), (900.0, 100.0)];
        assert_eq!(figure(Limit::Times(1.15), &slow_machine).verdict(), Verdict::Ok);
        assert_eq!(figure(Limit::Times(1.14), &slow_machine).verdict(), Verdict::Missed);
        assert_eq!(figure(Limit::Above(30.0), &slow_machine).verdict(), Verdict::Ok);
        assert_eq!(figure(Limit::Above(29.0), &slow_machine).verdict(), Verdict::Missed);
        assert_eq!(figure(Limit::None, &slow_machine).verdict(), Verdict::NoLimit);
        assert!((median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_row_says_what_it_is_compared_with() {
        let cells = figure(Limit::Times(1.15), &[(110.0, 100.0), (120.0, 100.0)]).cells();
        assert_eq!(cells, ["115.0 µs", "a signature 100.0 µs", "1.15 x", "1.10 … 1.20", "1.15 x", "ok"]);
        let cells = Figure::alone("ms", [81.0], Limit::AtMost(80.0)).cells();
        assert_eq!(cells, ["81.0 ms", "", "", "", "80.0 ms", "MISSED"]);
    }

    #[test]
    fn no_figure_is_no_success() {
        let mut table = Table::default();
        table.push("x", Ok(Figure::alone("ms", [], Limit::AtMost(1.0))));
        assert_eq!(table.failures().count(), 1);
        assert!(!table.missed());
    }
}
