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

    /// Opens it to issue by one of the CAs: what the `crl.pem` beside it knows beyond it is taken over into it first, and it
    /// is refused where it does not know that CA. What was taken over, in sentences.
    pub(super) fn index_to_issue(
        &self,
        issuer: &Certificate,
    ) -> Result<(Index, Vec<String>), Error> {
        let index = self.index()?;
        index.refuse_unknown(issuer)?;
        let told = revocation::catch_up(&index, self.folder(), self.certificates())?;
        Ok((index, told))
    }

    /// Opens it to be asked what could be issued, with what would be taken over.
    pub(super) fn index_to_rehearse_issuing(
        &self,
        issuer: &Certificate,
    ) -> Result<(Index, Vec<String>), Error> {
        let index = self.index_to_rehearse()?;
        index.refuse_unknown(issuer)?;
        self.with_supposed(index)
    }

    /// Opens it to be asked what could be done, with what would be taken over.
    pub(crate) fn index_to_rehearse_all(&self) -> Result<(Index, Vec<String>), Error> {
        self.with_supposed(self.index_to_rehearse()?)
    }

    /// Opens it for questions alone, with what the `crl.pem` beside it knows beyond it.
    pub(crate) fn index_to_read_all(&self) -> Result<Index, Error> {
        Ok(self.with_supposed(self.index_to_read()?)?.0)
    }

    /// Opens it to replace the CA, with what the `crl.pem` beside it knows beyond it, as far as that can be read: it is taken
    /// over. What was, in sentences.
    pub(crate) fn index_to_rotate(&self) -> Result<(Index, Vec<String>), Error> {
        let index = self.index()?;
        let told = revocation::catch_up_readable(&index, self.folder(), self.certificates())?;
        Ok((index, told))
    }

    /// Opens it for questions: what the `crl.pem` beside it knows beyond it counts, as far as that can be read, and the index
    /// stays as it is. What counts, in the same sentences.
    pub fn index_supposing(
        &self,
        open: fn(&Path) -> Result<Index, IndexError>,
    ) -> Result<(Index, Vec<String>), Error> {
        let mut index = self.open_with(open)?;
        let (folder, all) = (self.folder(), self.certificates());
        let told = revocation::catch_up_readable_supposedly(&mut index, folder, all)?;
        Ok((index, told))
    }

    fn with_supposed(&self, mut index: Index) -> Result<(Index, Vec<String>), Error> {
        let told = revocation::catch_up_supposedly(&mut index, self.folder(), self.certificates())?;
        Ok((index, told))
    }

    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Certificate> + Clone {
        self.members().map(|(_, certificate)| certificate)
    }

    pub(crate) fn open_with(
        &self,
        open: fn(&Path) -> Result<Index, IndexError>,
    ) -> Result<Index, IndexError> {
        let index = open(&self.folder().join(index::FILE))?;
        index.refuse_foreign(self.certificates())?;
        Ok(index)
    }
}
