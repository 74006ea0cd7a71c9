//! The table, and what has to be said with it.

use crate::measure::{Fill, Latency, Measured, Round};
use crate::product::{Line, Product, millis, number};

/// What the report is made of.
pub struct Report {
    pub records: usize,
    /// Of a record, in bytes of JSON.
    pub json: usize,
    /// Of the machine, as it began and as it ended.
    pub load: (String, String),
    /// By name, in the order they are told; ours first.
    pub measured: Vec<(&'static str, Measured)>,
    /// Of the whole product, if its bench was there.
    pub product: Option<Product>,
}

/// Who, how long (of a rate an edit, of a save over a bare fdatasync) and how many bytes, and both in words.
struct Row {
    who: String,
    time: Option<f64>,
    bytes: Option<f64>,
    said: [String; 2],
}

fn row(who: &str, time: Option<f64>, bytes: Option<f64>, took: String, wire: String) -> Row {
    Row { who: who.to_owned(), time, bytes, said: [took, wire] }
}

fn ms(ms: f64) -> String {
    match ms {
        ..0.1 => format!("{:.0} µs", ms * 1e3),
        ..10.0 => format!("{ms:.2} ms"),
        ..1_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1e3),
    }
}

fn latency(of: Latency) -> String {
    format!("p50 {}, p99 {}", ms(of.p50), ms(of.p99))
}

fn of_fill(who: &str, fill: &Fill) -> Row {
    let memory = fill.memory.map_or(String::new(), |grown| format!("; {grown:.0} MB of memory"));
    let requests = fill.requests.map_or(String::new(), |count| format!(", {count} requests"));
    let wire = format!("{:.2} MB{requests}", fill.wire as f64 / 1e6);
    row(who, Some(fill.ms), Some(fill.wire as f64), format!("{}{memory}", ms(fill.ms)), wire)
}

fn of_round(who: &str, round: &Round) -> Row {
    let bytes = round.up + round.down;
    let wire = format!("{} + {} = {bytes} B, {} messages", round.up, round.down, round.messages);
    row(who, Some(round.took.p50), Some(bytes as f64), latency(round.took), wire)
}

fn of_rate(who: &str, rate: f64) -> Row {
    row(who, Some(1e3 / rate), None, format!("{rate:.0}/s"), "–".to_owned())
}

fn of_save(who: &str, took: &str, p50: f64, floor: f64) -> Row {
    let said = format!("{took}; fdatasync beside it p50 {}", ms(floor));
    row(who, Some(p50 / floor), None, said, "–".to_owned())
}

/// Theirs ÷ ours; bold where theirs is the better one.
fn ratio(theirs: Option<f64>, ours: Option<f64>) -> String {
    let (Some(theirs), Some(ours)) = (theirs, ours) else { return "–".to_owned() };
    let ratio = theirs / ours;
    let places = match ratio {
        ..0.1 => 3,
        ..1.0 => 2,
        _ => 1,
    };
    let text = format!("{ratio:.places$} ×");
    if theirs < ours { format!("**{text}**") } else { text }
}

impl Report {
    /// What the product took for a work, the first two columns of its own table.
    fn product(&self, work: &str) -> Option<Row> {
        let ours = self.line(work)?.ours.as_str();
        let (took, wire) = ours.split_once(';').unwrap_or((ours, "–"));
        Some(row(PRODUCT, millis(took), number(wire, "B"), took.to_owned(), wire.trim().to_owned()))
    }

    fn line(&self, work: &str) -> Option<&Line> {
        self.product.as_ref()?.line(work)
    }

    /// Its fill, by as many records as the others took.
    fn product_fill(&self) -> Option<Row> {
        let Line { work, ours, .. } = self.line("first fill, whole town, first reader")?;
        let (took, wire) = ours.split_once(';')?;
        let records = number(work, "records")?;
        let share = self.records as f64 / records;
        let (millis, bytes) = (millis(took)? * share, number(wire, "MB")? * 1e6 * share);
        let said = format!("{} ({took} for {records})", ms(millis));
        Some(row(PRODUCT, Some(millis), Some(bytes), said, format!("{:.2} MB", bytes / 1e6)))
    }

    fn product_rate(&self) -> Option<Row> {
        let ours = &self.line("100000 concurrent field edits accepted")?.ours;
        Some(of_rate(PRODUCT, ours.split_once("/s")?.0.trim().parse().ok()?))
    }

    fn product_save(&self) -> Option<Row> {
        let Line { ours, floor, .. } = self.line("save one edit on the handheld")?;
        Some(of_save(PRODUCT, ours, millis(ours)?, millis(floor)?))
    }

    /// The product's row, if it has one, and those of all who did the work.
    fn rows(&self, product: Option<Row>, of: impl Fn(&str, &Measured) -> Option<Row>) -> Vec<Row> {
        product.into_iter().chain(self.measured.iter().filter_map(|(who, all)| of(who, all))).collect()
    }

    fn works(&self) -> Vec<(&'static str, Vec<Row>)> {
        let rounds = |work: &str, of: fn(&Measured) -> &Option<Round>| {
            self.rows(self.product(work), |who, all| of(all).as_ref().map(|round| of_round(who, round)))
        };
        let fills = |product: Option<Row>, of: fn(&Measured) -> &Option<Fill>| {
            self.rows(product, |who, all| of(all).as_ref().map(|fill| of_fill(who, fill)))
        };
        let rates = |product: Option<Row>, of: fn(&Measured) -> Option<f64>| {
            self.rows(product, |who, all| of(all).map(|rate| of_rate(who, rate)))
        };
        let saves = self.rows(self.product_save(), |who, all| {
            let (took, floor) = (all.save?, all.fdatasync?);
            Some(of_save(who, &latency(took), took.p50, floor.p50))
        });
        let mut each = rates(None, |all| all.each);
        let pure = self.measured.first().and_then(|(who, all)| Some(of_rate(&format!("{who}, not read"), all.pure?)));
        each.extend(pure);
        vec![
            ("first fill in memory: unpacked, read, a name looked for in all", fills(None, |all| &all.fill)),
            ("first fill over HTTP into a store, pages of 1,000", fills(self.product_fill(), |all| &all.fill_http)),
            ("first fill over HTTP into a store, pages of 100", fills(self.product_fill(), |all| &all.fill_small)),
            ("sync of one edited field", rounds("sync of one edited field", |all| &all.sync)),
            (
                "sync of one edited field, 100,000 edits later",
                rounds("sync of one edited field", |all| &all.sync_after),
            ),
            ("idle sync", rounds("idle sync", |all| &all.idle)),
            ("idle sync, 100,000 edits later", rounds("idle sync", |all| &all.idle_after)),
            ("100,000 concurrent field edits read and applied in memory, one by one", each),
            (
                "100,000 concurrent field edits read and applied in memory, a thousand at a time",
                rates(None, |all| all.batched),
            ),
            (
                "100,000 concurrent field edits applied in a store, a thousand at a time",
                rates(self.product_rate(), |all| all.stored),
            ),
            ("save of one edit", saves),
        ]
    }

    /// Everything in Markdown.
    pub fn markdown(&self) -> String {
        let versions = self.measured.iter().filter(|(_, all)| !all.version.is_empty());
        let versions: Vec<_> = versions.map(|(name, all)| format!("{name} {}", all.version)).collect();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut text = format!(
            "# Beside others\n\nWritten by `make bench-peers`: {} on the township's {} residents of 16 fields ({} B \
             of JSON each), beside ours, one after the other on {cores} cores. Ratios are theirs ÷ ours, ours being the first \
             row of a work; where theirs is the better one it is bold. Absolute figures depend \
             on the machine and on what else ran there: the load average was {} as it began and {} as it ended.\n\n\
             | work | who | time | on the wire | time ÷ ours | wire ÷ ours |\n| --- | --- | --- | --- | --- | --- |\n",
            versions.join(", "),
            self.records,
            self.json,
            self.load.0,
            self.load.1
        );
        let mut better = String::new();
        for (work, rows) in self.works() {
            let ours = rows.first().filter(|row| row.who.starts_with("ours")).map(|row| (row.time, row.bytes));
            let (time, bytes) = ours.unwrap_or_default();
            for (at, Row { who, time: took, bytes: sent, said: [took_said, sent_said] }) in rows.iter().enumerate() {
                let ratios = match at {
                    0 => ["–".to_owned(), "–".to_owned()],
                    _ => [ratio(*took, time), ratio(*sent, bytes)],
                };
                let [by_time, by_bytes] = &ratios;
                text.push_str(&format!("| {work} | {who} | {took_said} | {sent_said} | {by_time} | {by_bytes} |\n"));
                for (what, ratio) in ["time", "bytes"].iter().zip(&ratios) {
                    if ratio.starts_with("**") && !who.starts_with("ours") {
                        better.push_str(&format!("- {work}: {who}, {what} {}\n", ratio.replace('*', "")));
                    }
                }
            }
        }
        let missing = if self.product.is_some() { "" } else { NO_PRODUCT };
        let better = if better.is_empty() { "Nowhere in this run.\n" } else { &better };
        format!("{text}\n{missing}## Where others are better\n\n{better}\n{KNOW}")
    }
}

const PRODUCT: &str = "ours, the product";

const NO_PRODUCT: &str =
    "The product itself was not measured in this run: `make bench ONLY=fill` builds what that takes.\n\n";

const KNOW: &str = "\
## How to read it

- *Ours, the product* is the release build as it ships, from `bench --only fill,rounds,local,apply`: HTTP on loopback, rights, \
forms and workflow judged, an encrypted store with its search index, every save and every answer durable. Its bytes are those of \
HTTP with headers. Its fill is of all the township's records, taken for 72,000 of them in proportion.
- A save's ratio is of what each took over a bare fdatasync of 4 kB that was measured in turns with it.
- *Ours, `shared` alone* is the merge without any of that, on the same bytes as the libraries get.
- automerge, yrs and loro are measured in memory, two documents in one process: no network, no headers, no rights, no index. What \
they have to send is packed with zstd in a fill and bare in a round. In a round the far side syncs the edit to a file before it \
counts as sent, in a save the near side. The township is one document, for only then does their own protocol tell what the \
other lacks; brought in with a thousand records a change.
- automerge runs its sync protocol from the states that both kept, yrs steps 1 and 2 of y-sync in both directions, loro the \
exchange of version vectors that its documentation shows. \"100,000 edits later\" is after five writers changed four fields of \
5,000 records each without having seen one another.
- What is left of concurrent values differs. Ours and automerge keep all of them for a person to decide; yrs keeps one and \
forgets the others, loro shows one and has the others in its history. PouchDB keeps whole records as branches, and of two edits of different \
fields one is hidden until somebody merges them by hand.
- PouchDB is LevelDB on both sides with express-pouchdb between, on loopback; it does not sync its writes to the disk and \
does not pack what it sends.
- cr-sqlite is not here: its extension is in no package registry, its packages fetch it from elsewhere.
";
