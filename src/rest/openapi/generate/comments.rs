//! The comments of the proto files, as descriptions.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FileDescriptor};

/// The leading comment of everything that has one.
pub(super) struct Comments(HashMap<String, HashMap<Vec<i32>, String>>);

impl Comments {
    pub(super) fn new(pool: &DescriptorPool) -> Self {
        Self(
            pool.files()
                .map(|file| (file.name().to_owned(), of_file(&file)))
                .collect(),
        )
    }

    /// The comment at a path of a file, empty when there is none.
    pub(super) fn of(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        self.0
            .get(file.name())
            .and_then(|comments| comments.get(path))
            .map_or("", String::as_str)
    }
}

fn of_file(file: &FileDescriptor) -> HashMap<Vec<i32>, String> {
    file.file_descriptor_proto()
        .source_code_info
        .iter()
        .flat_map(|info| &info.location)
        .filter_map(|location| {
            let lines = location.leading_comments.as_deref()?.lines();
            let text = lines.map(str::trim).collect::<Vec<_>>().join("\n");
            Some((location.path.clone(), text.trim().to_owned()))
        })
        .collect()
}

/// The first sentence, without its full stop.
pub(super) fn first_sentence(text: &str) -> String {
    let text = text.replace('\n', " ");
    let end = text.find(". ").unwrap_or(text.len());
    text[..end].trim_end_matches('.').to_owned()
}
