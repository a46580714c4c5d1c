//! The deployment's secret in a file: alone, or beside the keys as `usher keys new` writes it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::exit::Failure;
use crate::files;
use crate::secrets::{self, SECRET};

/// A file with the secret.
pub(super) struct Document {
    path: PathBuf,
    /// The keys beside the secret; None: it stands alone.
    beside: Option<Value>,
    pub(super) secret: Value,
}

impl Document {
    /// # Errors
    /// When it cannot be read, or holds no usable secret.
    pub(super) fn read(path: &Path) -> Result<Document, Failure> {
        let text = fs::read_to_string(path).map_err(|error| files::unread(path, &error))?;
        let shown = path.display();
        let none = || {
            Failure::new(format!("`{shown}` holds no secret"))
                .help("`usher keys new --out FILE` writes one, beside the keys")
        };
        let whole: Value = serde_json::from_str(&text).map_err(|_| none())?;
        let inner = secrets::deployed(&text).ok_or_else(none)?;
        let secret: Value = serde_json::from_str(&inner).map_err(|_| none())?;
        let document =
            Document { path: path.to_owned(), beside: whole.get(SECRET).is_some().then_some(whole), secret };
        document.listed()?;
        Ok(document)
    }

    /// The keys as an edge lists them, in the order of the secret.
    ///
    /// # Errors
    /// When an edge would not take the secret.
    pub(super) fn listed(&self) -> Result<Vec<Value>, Failure> {
        listed(&self.secret.to_string()).map_err(|failure| failure.at(&format!("`{}`", self.path.display())))
    }

    /// The records of the keys.
    pub(super) fn records(&mut self) -> Result<&mut Vec<Value>, Failure> {
        let shown = self.path.display().to_string();
        let records = self.secret.get_mut("keys").and_then(Value::as_array_mut);
        records.ok_or_else(|| Failure::new(format!("`{shown}` holds no list of keys")))
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// When it cannot be written; then it is as it was.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let text = match &self.beside {
            None => format!("{}\n", self.secret),
            Some(beside) => {
                let mut whole = beside.clone();
                whole[SECRET] = self.secret.to_string().into();
                format!("{whole:#}\n")
            }
        };
        secrets::write_private(&self.path, &text, true)
    }
}

/// The keys of a secret as an edge lists them.
///
/// # Errors
/// When an edge would not take the secret.
pub(super) fn listed(secret: &str) -> Result<Vec<Value>, Failure> {
    let json = usher_edge::keys_of(secret)
        .map_err(|reason| Failure::new(reason).help("`usher keys new` makes a secret"))?;
    let mut whole: Value = serde_json::from_str(&json).unwrap_or_default();
    Ok(whole["keys"].as_array_mut().map(std::mem::take).unwrap_or_default())
}
