//! The index of a CA, opened in one place: whoever has the certificates of a CA asks here for the index beside them, and the
//! index of another CA, which may have the same name, is refused.

use std::path::Path;

use super::Generations;
use crate::{
    certificate::Certificate,
    index::{self, Index, IndexError},
};

impl Generations {
    /// Opens the index to change it.
    pub fn index(&self) -> Result<Index, IndexError> {
        self.open_with(Index::open)
    }

    /// Opens it to be asked what could be done, and refuses what [`Self::index`] refuses. The file stays as it is.
    pub fn index_to_rehearse(&self) -> Result<Index, IndexError> {
        self.open_with(Index::open_to_rehearse)
    }

    /// Opens it for questions alone, where nothing may be written, either.
    pub fn index_to_read(&self) -> Result<Index, IndexError> {
        self.open_with(Index::open_to_read)
    }

    pub(crate) fn open_with(
        &self,
        open: fn(&Path) -> Result<Index, IndexError>,
    ) -> Result<Index, IndexError> {
        let certificates = self.members().map(|(_, certificate)| certificate);
        open_index(self.folder(), certificates, open)
    }
}

/// Opens the index in the folder of a CA, some of whose certificates are these.
pub(crate) fn open_index<'c>(
    folder: &Path,
    certificates: impl IntoIterator<Item = &'c Certificate>,
    open: fn(&Path) -> Result<Index, IndexError>,
) -> Result<Index, IndexError> {
    let index = open(&folder.join(index::FILE))?;
    index.refuse_foreign(certificates)?;
    Ok(index)
}
