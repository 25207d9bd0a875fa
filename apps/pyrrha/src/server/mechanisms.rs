//! From a job's discovery sections to the mechanisms that find its targets.

use std::time::Duration;

use config::ScrapeConfig;
use discovery::{FileOptions, Mechanism, Service};

use super::translate;

/// How the targets of a job are found.
///
/// # Errors
/// What it asks for that is not there yet, with the job's name.
pub(crate) fn mechanisms(job: &ScrapeConfig) -> Result<Vec<Mechanism>, String> {
    let mut all = Vec::new();
    if !job.discovery.static_configs.is_empty() {
        all.push(Mechanism::Static(job.discovery.static_groups()));
    }
    all.extend(job.discovery.file.iter().map(|it| {
        let refresh_interval =
            Duration::from_millis(u64::try_from(it.refresh_interval_ms).unwrap_or(0));
        Mechanism::File(FileOptions { files: it.files.clone(), refresh_interval })
    }));
    for (key, sections) in &job.discovery.others {
        for section in sections {
            let http = section.http.as_ref().map(translate::http).transpose();
            let http = http.map_err(|why| {
                format!("{key} of scrape job {}: {why}", model::quote(&job.job_name))
            })?;
            let (section, http) = (section.clone(), http.unwrap_or_default());
            all.push(Mechanism::Service(Box::new(Service { key, section, http })));
        }
    }
    Ok(all)
}
