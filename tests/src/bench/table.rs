//! What a benchmark prints: the product, the floor beneath it in the same run, their ratio, and the goal.

use std::time::Duration;

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// What was done.
    pub work: String,
    /// What the product took.
    pub ours: String,
    /// What the floor is and took.
    pub floor: String,
    /// Ours ÷ floor.
    pub ratio: Option<f64>,
    /// What `performance.md` asks for.
    pub goal: &'static str,
    /// Whether the goal is met.
    pub met: Option<bool>,
}

/// Lines as a table in Markdown.
pub fn table(lines: &[Line]) -> String {
    let mut table = "| work | ours | floor, same run | ratio | goal | met |\n".to_owned();
    table.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for line in lines {
        let ratio = line.ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.1} ×"));
        let met = match line.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        let Line { work, ours, floor, goal, .. } = line;
        table.push_str(&format!("| {work} | {ours} | {floor} | {ratio} | {goal} | {met} |\n"));
    }
    table
}

/// Durations of many repetitions.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Those of another one too.
    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The time that `percent` of them did not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }

    /// The middle one.
    pub fn p50(&self) -> Duration {
        self.percentile(50)
    }

    /// The worst but one in a hundred.
    pub fn p99(&self) -> Duration {
        self.percentile(99)
    }

    /// Both in words.
    pub fn words(&self) -> String {
        format!("p50 {}, p99 {}", millis(self.p50()), millis(self.p99()))
    }
}

/// Milliseconds with as many places as say something.
pub fn millis(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

/// Seconds.
pub fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// How many a second.
pub fn rate(n: usize, time: Duration) -> f64 {
    n as f64 / time.as_secs_f64().max(1e-9)
}

/// `a` ÷ `b`.
pub fn ratio(a: Duration, b: Duration) -> Option<f64> {
    (!b.is_zero()).then(|| a.as_secs_f64() / b.as_secs_f64())
}
