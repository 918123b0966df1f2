//! What stands for something else in a value: environment variables and fio's keywords.
//!
//! Owns `${NAME}`, `$pagesize`, `$mb_memory`, `$ncpus`, and the sums that keywords may stand in.
//! Called by `plan` for each value; names of files keep their own keywords for `job::files`.

use crate::options;

/// fio's default base of sizes, for sums.
const KB_BASE: u64 = 1024;

/// The value with everything replaced.
pub(crate) fn expand(text: &str) -> Result<String, String> {
    let text = variables(text)?;
    let replaced = keywords(&text);
    // fio computes a value only where a keyword stood; `/` is in paths, too.
    if replaced != text && replaced.contains(['+', '-', '*', '/']) {
        return options::evaluate(&replaced, KB_BASE).map(|value| value.to_string());
    }
    Ok(replaced)
}

fn variables(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        match std::env::var(name) {
            Ok(value) => out.push_str(&value),
            Err(_) => {
                return Err(format!(
                    "the environment variable {name} is not set; run it as {name}=... bench-cli run"
                ));
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

fn keywords(text: &str) -> String {
    if !text.contains('$') {
        return text.to_owned();
    }
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    text.replace("$pagesize", &rustix::param::page_size().to_string())
        .replace("$mb_memory", &memory_mib().to_string())
        .replace("$ncpus", &cpus.to_string())
}

/// All memory of the machine.
fn memory_mib() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_sums_are_replaced() {
        let page = rustix::param::page_size();
        assert_eq!(expand("$pagesize"), Ok(page.to_string()));
        assert_eq!(expand("$pagesize*2"), Ok((page * 2).to_string()));
        assert_eq!(expand("(4*$pagesize)+1"), Ok((page * 4 + 1).to_string()));
        assert!(expand("$ncpus").is_ok_and(|text| text.parse::<u32>().is_ok_and(|n| n > 0)));
        assert!(expand("$mb_memory").is_ok_and(|text| text.parse::<u32>().is_ok_and(|n| n > 0)));
        assert!(expand("$ncpus*x").is_err());
    }

    #[test]
    fn names_of_files_are_left_alone() {
        assert_eq!(expand("/a-b/$jobnum.$filenum"), Ok("/a-b/$jobnum.$filenum".to_owned()));
        assert_eq!(expand("4k/60:8k/40"), Ok("4k/60:8k/40".to_owned()));
    }

    #[test]
    fn variables_come_from_the_environment() {
        let path = std::env::var("PATH").expect("every environment has it");
        assert_eq!(expand("a${PATH}b"), Ok(format!("a{path}b")));
        assert_eq!(expand("${"), Ok("${".to_owned()));
        let error = expand("${NO_SUCH_VARIABLE_HERE}").expect_err("not set");
        assert!(error.contains("NO_SUCH_VARIABLE_HERE is not set"), "{error}");
    }
}
