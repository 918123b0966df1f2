//! The guide to many hosts: its commands and its manifest, as far as one machine can check them.
//!
//! It starts no launcher and no cluster: what those do was tried by hand, as the guide says.

use super::program::Place;

const GUIDE: &str = include_str!("../../../../docs/guides/many-hosts.md");

/// The lines between this fence and the next.
fn blocks(fence: &str) -> Vec<Vec<&'static str>> {
    let mut parts = GUIDE.split("```");
    let mut blocks = Vec::new();
    while let (Some(_), Some(block)) = (parts.next(), parts.next()) {
        if let Some(text) = block.strip_prefix(fence) {
            blocks.push(text.trim_matches('\n').lines().collect());
        }
    }
    blocks
}

/// Indentation and content of the lines of a manifest.
fn indented(lines: &[&'static str]) -> Vec<(usize, &'static str)> {
    lines.iter().map(|line| (line.len() - line.trim_start().len(), line.trim())).collect()
}

/// What stands at a path of keys, looked for by indentation: the value and the lines below it.
fn below<'a>(
    lines: &'a [(usize, &'static str)],
    path: &[&str],
) -> Option<(&'static str, &'a [(usize, &'static str)])> {
    let (key, rest) = path.split_first()?;
    let level = lines.first()?.0;
    let at = lines.iter().position(|(indent, line)| {
        let line = line.strip_prefix("- ").unwrap_or(line);
        *indent == level && line.split_once(':').is_some_and(|(name, _)| name == *key)
    })?;
    let (indent, line) = lines[at];
    // The keys of a list's entry stand two columns further in than its dash.
    let own = indent + 2 * usize::from(line.starts_with("- "));
    let end = lines[at + 1..].iter().position(|(other, _)| *other <= own);
    let inside = &lines[at + 1..end.map_or(lines.len(), |end| at + 1 + end)];
    match rest {
        [] => Some((line.split_once(':')?.1.trim(), inside)),
        rest => below(inside, rest),
    }
}

#[test]
fn the_manifest_is_an_indexed_job_whose_arguments_are_valid() {
    let [manifest] = &blocks("yaml")[..] else { panic!("one manifest") };
    assert!(manifest.iter().all(|line| !line.contains('\t')), "no tabs in YAML");
    let lines = indented(manifest);
    assert!(lines.iter().all(|(indent, _)| indent.is_multiple_of(2)), "{lines:?}");
    for (path, value) in [
        (&["apiVersion"][..], "batch/v1"),
        (&["kind"], "Job"),
        (&["spec", "completionMode"], "Indexed"),
        (&["spec", "completions"], "3"),
        (&["spec", "parallelism"], "3"),
        (&["spec", "template", "spec", "restartPolicy"], "Never"),
    ] {
        assert_eq!(below(&lines, path).map(|found| found.0), Some(value), "{path:?}");
    }
    let pod = below(&lines, &["spec", "template", "spec"]).expect("a pod").1;
    let container = below(pod, &["containers"]).expect("containers").1;
    let mut container = container.to_vec();
    // The first key stands behind the dash of its entry.
    container[0] = (container[0].0 + 2, container[0].1.trim_start_matches("- "));
    assert_eq!(below(&container, &["command"]).map(|found| found.0), Some("[bench-cli, run]"));
    let arguments: Vec<&str> = below(&container, &["args"])
        .expect("arguments")
        .1
        .iter()
        .map(|(_, line)| line.strip_prefix("- ").expect("a list"))
        .collect();
    let place = Place::new();
    let here: Vec<&str> = arguments
        .iter()
        .map(|word| if word.starts_with("--directory") { "--directory=." } else { word })
        .collect();
    assert!(here.len() > 8 && here.contains(&"--output-format=json+"), "{here:?}");
    let said = place.run(&[&here[..], &["--parse-only"]].concat());
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "{said:?}");
}

#[test]
fn every_job_of_the_guide_is_valid() {
    let place = Place::new();
    let mut count = 0;
    for block in blocks("sh") {
        let text = block.join("\n").replace("\\\n", " ");
        for line in text.lines().filter(|line| line.contains("bench-cli run ")) {
            let (_, rest) = line.split_once("bench-cli run ").expect("it has it");
            let words = rest.split_whitespace().take_while(|word| !word.starts_with(['>', '&']));
            let options: Vec<String> = words
                .filter(|word| !word.starts_with("--output="))
                .map(|word| word.trim_end_matches('"').replace("$AT", "@4000000000"))
                .collect();
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let said = place.run(&[&options[..], &["--parse-only"]].concat());
            assert_eq!(said.code, Some(0), "{said:?}");
            count += 1;
        }
    }
    assert_eq!(count, 3, "ssh, Slurm and MPI");
}
