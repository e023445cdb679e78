//! The index of a CA, opened in one place: whoever has the certificates of a CA asks here for the index beside them, and the
//! index of another CA, which may have the same name, is refused.

use std::path::Path;

use super::Generations;
use crate::{
    certificate::Certificate,
    error::Error,
    index::{self, Index, IndexError},
    revocation,
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

    /// Opens it to issue: what the `crl.pem` beside it knows beyond it is taken over into it first. What was taken over, in
    /// sentences.
    pub(super) fn index_to_issue(&self) -> Result<(Index, Vec<String>), Error> {
        let index = self.index()?;
        let told = revocation::catch_up(&index, self.folder(), self.certificates())?;
        Ok((index, told))
    }

    /// Opens it to be asked what could be issued, with what would be taken over.
    pub(crate) fn index_to_rehearse_issuing(&self) -> Result<(Index, Vec<String>), Error> {
        let mut index = self.index_to_rehearse()?;
        let told = revocation::catch_up_supposedly(&mut index, self.folder(), self.certificates())?;
        Ok((index, told))
    }

    /// Opens it for questions alone, with what the `crl.pem` beside it knows beyond it.
    pub(crate) fn index_to_read_all(&self) -> Result<Index, Error> {
        let mut index = self.index_to_read()?;
        revocation::catch_up_supposedly(&mut index, self.folder(), self.certificates())?;
        Ok(index)
    }

    fn certificates(&self) -> impl Iterator<Item = &Certificate> + Clone {
        self.members().map(|(_, certificate)| certificate)
    }

    pub(crate) fn open_with(
        &self,
        open: fn(&Path) -> Result<Index, IndexError>,
    ) -> Result<Index, IndexError> {
        open_index(self.folder(), self.certificates(), open)
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
