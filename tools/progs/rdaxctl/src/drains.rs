// SPDX-License-Identifier: GPL-2.0

//! The drains of mounted volumes, as the module shows them in debugfs.

use anyhow::{
    Context,
    Result, //
};
use rdaxfs_progs::device_of;
use serde_json::{
    json,
    Map,
    Value, //
};
use std::{
    fmt::Write as _,
    fs,
    io::{
        stdout,
        IsTerminal,
        Write as _, //
    },
    path::{
        Path,
        PathBuf, //
    },
    thread::sleep,
    time::Duration, //
};

const ROOT: &str = "/sys/kernel/debug/rdaxfs";
const PERIOD: Duration = Duration::from_secs(1);
/// Files have no pages from here on.
const MAX_PAGES: u64 = 1 << 51;
/// From the upper left corner; what was there is gone.
const CLEAR: &str = "\x1b[H\x1b[J";

/// A line of a kind, unless the file is all of one, and `name=value` fields. The last one, `comm`,
/// may have blanks.
fn fields(line: &str) -> Map<String, Value> {
    let (line, comm) = match line.split_once("comm=") {
        Some((line, comm)) => (line, Some(comm)),
        None => (line, None),
    };
    let mut map: Map<String, Value> = line
        .split_whitespace()
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| {
            let value = value
                .parse::<u64>()
                .map_or_else(|_| value.into(), Value::from);
            (name.into(), value)
        })
        .collect();
    if let Some(comm) = comm {
        map.insert("comm".into(), comm.into());
    }
    map
}

/// Lines of what belongs to a drain, and where they are put.
const PARTS: [(&str, &str); 2] = [("waiter ", "waiters"), ("holder ", "holders")];

/// The tasks at a gate, and the pins, are with the drain that is before them.
fn parse_drains(text: &str) -> Vec<Value> {
    let mut drains: Vec<Map<String, Value>> = Vec::new();
    for line in text.lines() {
        let mut found = fields(line);
        let Some((_, name)) = PARTS.iter().find(|(word, _)| line.starts_with(word)) else {
            for (_, name) in PARTS {
                found.insert(name.into(), Value::Array(Vec::new()));
            }
            drains.push(found);
            continue;
        };
        let part = drains.last_mut().and_then(|drain| drain.get_mut(*name));
        if let Some(Value::Array(part)) = part {
            found.remove("ino");
            part.push(Value::Object(found));
        }
    }
    drains.into_iter().map(Value::Object).collect()
}

/// Lines of a bound in microseconds and a count.
fn parse_histogram(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(below, count)| {
            let below = below.parse::<u64>().ok();
            Some(json!({ "below_us": below, "count": count.parse::<u64>().ok()? }))
        })
        .collect()
}

fn look_at(dir: &Path) -> Result<Value> {
    let read = |name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path)
            .with_context(|| format!("{} (mounted, and debugfs too?)", path.display()))
    };
    let busy: Vec<Value> = read("busy")?
        .lines()
        .map(|line| Value::Object(fields(line)))
        .collect();
    Ok(json!({
        "device": dir.file_name().unwrap_or_default().to_string_lossy(),
        "drains": parse_drains(&read("drains")?),
        "busy": busy,
        "drain_time": parse_histogram(&read("drain_time_us")?),
        "gate_wait": parse_histogram(&read("gate_wait_us")?),
    }))
}

/// The directories of the volume on a device or a mount point, or of all volumes.
fn directories(target: Option<&Path>) -> Result<Vec<PathBuf>> {
    let root = Path::new(ROOT);
    if let Some(target) = target {
        let device = device_of(target)?;
        return Ok(vec![root.join(device.file_name().unwrap_or_default())]);
    }
    let entries = fs::read_dir(root)
        .with_context(|| format!("{} (is rdaxfs loaded, debugfs mounted?)", root.display()))?;
    let mut dirs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    dirs.sort();
    Ok(dirs)
}

/// What drains on the volume of `target`, or on all.
pub(crate) fn look(target: Option<&Path>) -> Result<Value> {
    let mut volumes = Vec::new();
    for dir in directories(target)? {
        match look_at(&dir) {
            Ok(volume) => volumes.push(volume),
            // Unmounted meanwhile, if nobody asked for this one.
            Err(_) if target.is_none() && !dir.exists() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Value::Array(volumes))
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), String::from)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn age(value: &Value) -> String {
    let ms = number(value, "age_ms");
    if ms < 10_000 {
        return format!("{ms}ms");
    }
    format!("{}s", ms / 1000)
}

fn pages(drain: &Value) -> String {
    let (first, end) = (number(drain, "first"), number(drain, "end"));
    if end >= MAX_PAGES {
        return format!("{first}-");
    }
    format!("{first}-{}", end.saturating_sub(1))
}

/// Rows with each column as wide as its widest field; the last is aligned to the left.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let fields = rows.iter().filter_map(|row| row.get(column));
        fields.map(|field| field.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (column, (field, width)) in row.iter().zip(&widths).enumerate() {
            // A `String` takes all that is written to it.
            let _ = if column + 1 == columns {
                writeln!(out, "  {field}")
            } else {
                write!(out, "  {field:>width$}")
            };
        }
    }
    out
}

fn drain_table(volume: &Value) -> String {
    let head = "INODE PAGES AGE ROUNDS PAGE PFN REFS MAPS PINS REGISTERED PID COMMAND";
    let mut rows = vec![head.split(' ').map(String::from).collect::<Vec<_>>()];
    for drain in list(volume, "drains") {
        let mut row = vec![text(&drain["ino"]), pages(drain), age(drain)];
        let plain = [
            "rounds",
            "index",
            "pfn",
            "refs",
            "maps",
            "pins",
            "registered",
            "pid",
            "comm",
        ];
        row.extend(plain.iter().map(|name| text(&drain[*name])));
        rows.push(row);
    }
    table(&rows)
}

/// What belongs to the drains of a volume, with the inode before each row.
fn part_table(
    volume: &Value,
    name: &str,
    title: &str,
    head: &str,
    row: fn(&Value) -> Vec<String>,
) -> String {
    let head = head.split(' ').map(String::from);
    let mut rows = vec![head.collect::<Vec<_>>()];
    for drain in list(volume, "drains") {
        for part in list(drain, name) {
            let mut fields = vec![text(&drain["ino"])];
            fields.extend(row(part));
            fields.extend([text(&part["pid"]), text(&part["comm"])]);
            rows.push(fields);
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(" {title}:\n{}", table(&rows))
}

fn waiter_row(waiter: &Value) -> Vec<String> {
    let ticket = if number(waiter, "ticket") > 0 {
        "yes"
    } else {
        "no"
    };
    vec![text(&waiter["index"]), age(waiter), ticket.into()]
}

fn holder_row(holder: &Value) -> Vec<String> {
    vec![pages(holder), age(holder)]
}

fn histogram(volume: &Value, name: &str, title: &str) -> String {
    let buckets = list(volume, name);
    if buckets.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = buckets
        .iter()
        .map(|bucket| match bucket["below_us"].as_u64() {
            Some(us) if us < 1 << 10 => format!("<{us}us {}", bucket["count"]),
            Some(us) if us < 1 << 20 => format!("<{}ms {}", us >> 10, bucket["count"]),
            Some(us) => format!("<{}s {}", us >> 20, bucket["count"]),
            None => format!("more {}", bucket["count"]),
        })
        .collect();
    format!(" {title}: {}\n", shown.join(", "))
}

fn screen(volumes: &Value) -> String {
    let mut out = String::new();
    for volume in volumes.as_array().map_or(&[][..], Vec::as_slice) {
        let drains = list(volume, "drains").len();
        let runs = list(volume, "busy").iter();
        let blocks: u64 = runs.map(|run| number(run, "blocks")).sum();
        let oldest = list(volume, "busy").iter();
        let oldest = oldest.max_by_key(|run| number(run, "age_ms"));
        let since = oldest.map_or_else(String::new, |run| format!(", for up to {}", age(run)));
        out += &format!(
            "{}: {drains} waiting, {blocks} blocks busy{since}\n",
            text(&volume["device"])
        );
        if drains > 0 {
            out += &drain_table(volume);
            let head = "INODE PAGE WAITS TICKET PID COMMAND";
            out += &part_table(volume, "waiters", "at the gate", head, waiter_row);
            let head = "INODE PAGES HELD PID COMMAND";
            out += &part_table(volume, "holders", "registered pins", head, holder_row);
        }
        out += &histogram(volume, "drain_time", "drains took");
        out += &histogram(volume, "gate_wait", "faults waited");
    }
    if out.is_empty() {
        out += "nothing is mounted\n";
    }
    out
}

/// Shows what drains, in a terminal each second until it is interrupted.
pub(crate) fn watch(target: Option<&Path>, once: bool) -> Result<()> {
    let live = !once && stdout().is_terminal();
    loop {
        let screen = screen(&look(target)?);
        let mut out = stdout().lock();
        if live {
            out.write_all(CLEAR.as_bytes())?;
        }
        out.write_all(screen.as_bytes())?;
        out.flush()?;
        if !live {
            return Ok(());
        }
        sleep(PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAINS: &str = "\
        drain ino=12 first=0 end=512 age_ms=321 rounds=3 index=1 pfn=0x1a refs=1 maps=0 pins=0 \
        registered=0 pid=77 comm=rm -rf x=y\n\
        waiter ino=12 index=7 age_ms=12000 ticket=1 pid=78 comm=a b\n\
        drain ino=9 first=2 end=2251799813685248 age_ms=1 rounds=1 index=2 pfn=0x0 refs=0 maps=0 \
        pins=0 registered=2 pid=79 comm=\n\
        holder ino=9 first=5 end=6 age_ms=40 pid=80 comm=dma\n";

    fn volume() -> Value {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("pmem0");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("drains"), DRAINS).unwrap();
        fs::write(
            dir.join("busy"),
            "block=5 blocks=2 age_ms=12000\nblock=9 blocks=1 age_ms=7\n",
        )
        .unwrap();
        fs::write(dir.join("drain_time_us"), "1 4\n2048 5\ninf 1\n").unwrap();
        fs::write(dir.join("gate_wait_us"), "").unwrap();
        look_at(&dir).unwrap()
    }

    #[test]
    fn reads_what_the_module_shows() {
        let volume = volume();
        assert_eq!(volume["device"], "pmem0");
        let drains = list(&volume, "drains");
        assert_eq!(drains.len(), 2);
        assert_eq!(drains[0]["ino"], 12);
        assert_eq!(drains[0]["pfn"], "0x1a");
        assert_eq!(drains[0]["comm"], "rm -rf x=y");
        assert_eq!(drains[0]["waiters"][0]["comm"], "a b");
        assert_eq!(drains[0]["waiters"][0]["ticket"], 1);
        assert!(list(&drains[1], "waiters").is_empty());
        assert!(list(&drains[0], "holders").is_empty());
        assert_eq!(drains[1]["holders"][0]["comm"], "dma");
        assert_eq!(volume["busy"][1]["block"], 9);
        assert_eq!(volume["drain_time"][1]["below_us"], 2048);
        assert!(volume["drain_time"][2]["below_us"].is_null());
    }

    #[test]
    fn shows_it_in_columns() {
        let shown = screen(&json!([volume()]));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "pmem0: 2 waiting, 3 blocks busy, for up to 12s");
        let column = lines[1].find("COMMAND").unwrap();
        assert_eq!(&lines[2][column..], "rm -rf x=y");
        assert!(lines[2].contains(" 0-511 "));
        assert!(lines[3].contains(" 2- "));
        assert!(shown.contains("at the gate:"));
        assert!(shown.contains("12s     yes"));
        assert!(shown.contains("registered pins:"));
        assert!(shown.contains(" 5-5 "));
        assert!(shown.contains(" drains took: <1us 4, <2ms 5, more 1\n"));
        assert!(!shown.contains("faults waited"));
    }
}
