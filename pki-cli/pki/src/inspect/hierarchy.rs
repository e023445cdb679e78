//! The certificates of an overview as a hierarchy, and the keys that belong to them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    PublicHalf,
    overview::{KeyBeside, Other, Overview},
};
use crate::{
    parse::{
        certificate::Certificate,
        name::Canonical,
        public_key::{KeyKind, PublicKey},
    },
    path_validation::{SignatureVerdict, verify_signature},
};

/// The distinct certificates, each with its issuer and its key.
pub(super) struct Hierarchy<'o> {
    pub(super) nodes: Vec<Node<'o>>,
    /// Which of the overview's other objects are keys of these.
    pub(super) taken: Vec<bool>,
}

pub(super) struct Node<'o> {
    pub(super) certificate: Certificate<'o>,
    /// The files that hold it, and how many certificates stand before it there.
    places: Vec<(&'o str, usize)>,
    pub(super) signer: Option<usize>,
    pub(super) key: KeyBeside,
    /// Its place among the overview's other objects.
    pub(super) key_at: Option<usize>,
}

impl<'o> Hierarchy<'o> {
    pub(super) fn of(overview: &'o Overview) -> Self {
        let mut nodes: Vec<Node<'o>> = Vec::new();
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (file, der) in &overview.certificates {
            let Ok(certificate) = Certificate::from_der(der) else {
                continue;
            };
            let before = counts.entry(file).or_default();
            let at = *known.entry(der).or_insert_with(|| {
                nodes.push(Node {
                    certificate,
                    places: Vec::new(),
                    signer: None,
                    key: KeyBeside::None,
                    key_at: None,
                });
                nodes.len() - 1
            });
            nodes[at].places.push((file, *before));
            *before += 1;
        }
        let signers = signers(&nodes);
        let keys = Keys::of(&overview.others);
        let mut taken = vec![false; overview.others.len()];
        for (node, signer) in nodes.iter_mut().zip(signers) {
            node.signer = signer;
            keys.give(node, &mut taken);
        }
        Self { nodes, taken }
    }

    /// Each certificate with its depth, below its issuer; those side by side in the order of their files.
    pub(super) fn order(&self) -> Vec<(usize, usize)> {
        let mut below: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        let mut by_file: Vec<_> = (0..self.nodes.len()).collect();
        by_file.sort_by_key(|at| self.nodes[*at].places.first());
        for at in &by_file {
            let issuer = self.nodes[*at].signer.filter(|issuer| issuer != at);
            below.entry(issuer).or_default().push(*at);
        }
        let mut order = Vec::new();
        let mut seen = vec![false; self.nodes.len()];
        // Two CAs that certified each other have nothing above them: whatever is left begins at the first of it.
        let tops = below.get(&None).cloned().unwrap_or_default();
        for top in tops.into_iter().chain(by_file) {
            let mut waiting = vec![(top, 0)];
            while let Some((at, depth)) = waiting.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                order.push((at, depth));
                let children = below.get(&Some(at)).into_iter().flatten().rev();
                waiting.extend(children.map(|child| (*child, depth + 1)));
            }
        }
        order
    }
}

impl Node<'_> {
    /// The files that hold it, the most telling one first.
    pub(super) fn files(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let files = self.places.iter().map(|(file, _)| *file);
        files
            .filter(|file| seen.insert(*file))
            .map(str::to_owned)
            .collect()
    }
}

/// The private keys, by what they are and by where they are.
struct Keys<'o> {
    others: &'o [Other],
    by_public: HashMap<Vec<u8>, Vec<usize>>,
    by_name: HashMap<PathBuf, usize>,
}

impl<'o> Keys<'o> {
    fn of(others: &'o [Other]) -> Self {
        let mut keys = Self {
            others,
            by_public: HashMap::new(),
            by_name: HashMap::new(),
        };
        for (at, key) in others.iter().enumerate() {
            let Some(public) = &key.public else { continue };
            // A key is beside `tls.crt` when it is in `tls.key`, or in the same file.
            keys.by_name
                .entry(Path::new(&key.file).with_extension(""))
                .or_insert(at);
            if let PublicHalf::Known(spki) = public
                && let Ok(public) = PublicKey::from_der(spki)
            {
                keys.by_public
                    .entry(key_octets(&public))
                    .or_default()
                    .push(at);
            }
        }
        keys
    }

    /// Finds the key of a certificate, and puts the file beside it first.
    fn give(&self, node: &mut Node<'_>, taken: &mut [bool]) {
        let own = self
            .by_public
            .get(&key_octets(&node.certificate.public_key));
        let own: &[usize] = own.map_or(&[], Vec::as_slice);
        for at in own {
            taken[*at] = true;
        }
        let places = own.iter().map(|at| Path::new(&self.others[*at].file));
        let names: HashSet<_> = places.clone().map(|key| key.with_extension("")).collect();
        let folders: HashSet<_> = places.map(Path::parent).collect();
        node.places.sort_by_cached_key(|(file, before)| {
            let file = Path::new(*file);
            let same_name = names.contains(&file.with_extension(""));
            let same_folder = folders.contains(&file.parent());
            (!same_name, !same_folder, *before, file)
        });
        let home = node.places.first().map(|(file, _)| Path::new(*file));
        let nearest = own.iter().min_by_key(|at| {
            let folder = Path::new(&self.others[**at].file).parent();
            (folder != home.and_then(Path::parent), **at)
        });
        if let Some(at) = nearest {
            (node.key, node.key_at) = (KeyBeside::Ok, Some(*at));
            return;
        }
        // In a file with several the key is the first certificate's.
        let firsts = node.places.iter().filter(|(_, before)| *before == 0);
        let beside = firsts
            .filter_map(|(file, _)| self.by_name.get(&Path::new(file).with_extension("")))
            .next();
        if let Some(at) = beside {
            node.key_at = Some(*at);
            node.key = match self.others[*at].public {
                Some(PublicHalf::Encrypted) => KeyBeside::Encrypted,
                Some(PublicHalf::Known(_)) => KeyBeside::OfAnotherCertificate,
                _ => KeyBeside::Unreadable,
            };
            taken[*at] |= node.key != KeyBeside::OfAnotherCertificate;
        }
    }
}

/// The same octets for the same key: a point of a curve may be written with both coordinates or one.
fn key_octets(key: &PublicKey<'_>) -> Vec<u8> {
    match key.kind() {
        KeyKind::Ec { curve, point } if point.first() == Some(&4) && point.len() % 2 == 1 => {
            let odd = point.last().is_some_and(|octet| octet % 2 == 1);
            let x = &point[1..=point.len() / 2];
            [curve.to_string().as_bytes(), &[2 + u8::from(odd)], x].concat()
        }
        KeyKind::Ec { curve, point } => [curve.to_string().as_bytes(), point].concat(),
        _ => key.raw.to_vec(),
    }
}

fn signers(nodes: &[Node<'_>]) -> Vec<Option<usize>> {
    let mut by_subject: HashMap<Canonical, Vec<usize>> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        by_subject
            .entry(node.certificate.subject.canonical())
            .or_default()
            .push(at);
    }
    let signer = |(at, node): (usize, &Node<'_>)| {
        let child = &node.certificate;
        if verifies(child, child) {
            return Some(at);
        }
        let candidates = by_subject.get(&child.issuer.canonical())?;
        // A CA has a few certificates at most; checks of signatures take time.
        candidates
            .iter()
            .copied()
            .take(8)
            .find(|issuer| verifies(child, &nodes[*issuer].certificate))
    };
    nodes.iter().enumerate().map(signer).collect()
}

fn verifies(child: &Certificate<'_>, issuer: &Certificate<'_>) -> bool {
    let same_name = child.issuer.canonical() == issuer.subject.canonical();
    let verdict = || {
        let key = &issuer.public_key;
        verify_signature(key, &child.signature_algorithm, child.tbs, child.signature)
    };
    same_name && verdict() == SignatureVerdict::Right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_with_one_coordinate_is_the_same_key() {
        let key = crate::key::PrivateKey::generate(crate::key::KeyAlgorithm::P256).expect("a key");
        let whole = key.public().spki();
        let odd = whole.last().is_some_and(|octet| octet % 2 == 1);
        // The lengths of the SEQUENCE and of the BIT STRING, then the point: 32 octets less.
        let mut short = whole[..whole.len() - 32].to_vec();
        (short[1], short[24]) = (short[1] - 32, short[24] - 32);
        short[26] = 2 + u8::from(odd);
        let octets = |spki: &[u8]| key_octets(&PublicKey::from_der(spki).expect("a key"));
        assert_eq!(octets(&short), octets(whole));
        short[26] ^= 1;
        assert_ne!(octets(&short), octets(whole));
    }
}
