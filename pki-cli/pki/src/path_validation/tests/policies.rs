//! Certificate policies on a path (RFC 5280 sections 6.1.3 (d) to (f), 6.1.4 (a), (b), (h) to (j) and 6.1.5), against a
//! model that keeps the tree as the clauses describe it, node by node.

use super::*;

const ANY: &[u8] = &[0x55, 0x1d, 0x20, 0x00];

/// What one certificate says about policies. Policies are small numbers; 0 is anyPolicy.
#[derive(Clone, Debug, Default)]
struct Says {
    self_issued: bool,
    policies: Option<Vec<u8>>,
    mappings: Vec<(u8, u8)>,
    explicit: Option<u8>,
    inhibit_mapping: Option<u8>,
    inhibit_any: Option<u8>,
}

/// A node of the valid policy tree (section 6.1.2 (a)), with the place of its parent one level above.
#[derive(Clone, Debug)]
struct TreeNode {
    valid: u8,
    expected: Vec<u8>,
    parent: usize,
}

/// Section 6.1 as it is written, from the certificate below the trust anchor to the leaf. The answer is whether the path
/// is acceptable under the inputs any-policy, false, false, false.
fn by_the_clauses(path: &[Says]) -> bool {
    let n = path.len() as u64;
    let mut tree: Option<Vec<Vec<TreeNode>>> = Some(vec![vec![TreeNode {
        valid: 0,
        expected: vec![0],
        parent: 0,
    }]]);
    let (mut explicit, mut inhibit_any, mut mapping) = (n + 1, n + 1, n + 1);
    for (at, says) in path.iter().enumerate() {
        let i = at as u64 + 1;
        tree = match (tree, &says.policies) {
            (Some(mut levels), Some(policies)) => {
                let above = levels[at].clone();
                let mut nodes: Vec<TreeNode> = Vec::new();
                for policy in policies.iter().copied().filter(|policy| *policy != 0) {
                    let mut matched = false;
                    for (parent, node) in above.iter().enumerate() {
                        if node.expected.contains(&policy) {
                            matched = true;
                            nodes.push(TreeNode {
                                valid: policy,
                                expected: vec![policy],
                                parent,
                            });
                        }
                    }
                    if !matched && let Some(parent) = above.iter().position(|node| node.valid == 0)
                    {
                        nodes.push(TreeNode {
                            valid: policy,
                            expected: vec![policy],
                            parent,
                        });
                    }
                }
                if policies.contains(&0) && (inhibit_any > 0 || (i < n && says.self_issued)) {
                    for (parent, node) in above.iter().enumerate() {
                        for policy in &node.expected {
                            let present = nodes
                                .iter()
                                .any(|child| child.parent == parent && child.valid == *policy);
                            if !present {
                                nodes.push(TreeNode {
                                    valid: *policy,
                                    expected: vec![*policy],
                                    parent,
                                });
                            }
                        }
                    }
                }
                levels.push(nodes);
                prune(levels)
            }
            _ => None,
        };
        if !(explicit > 0 || tree.is_some()) {
            return false;
        }
        if i == n {
            break;
        }
        if says
            .mappings
            .iter()
            .any(|(from, to)| *from == 0 || *to == 0)
        {
            return false;
        }
        if let Some(levels) = &mut tree {
            let mut froms: Vec<u8> = says.mappings.iter().map(|(from, _)| *from).collect();
            froms.sort_unstable();
            froms.dedup();
            for from in froms {
                let to: Vec<u8> = says
                    .mappings
                    .iter()
                    .filter(|mapping| mapping.0 == from)
                    .map(|mapping| mapping.1)
                    .collect();
                let depth = at + 1;
                if mapping > 0 {
                    let mut found = false;
                    for node in levels[depth].iter_mut().filter(|node| node.valid == from) {
                        node.expected.clone_from(&to);
                        found = true;
                    }
                    if !found && let Some(any) = levels[depth].iter().find(|node| node.valid == 0) {
                        let parent = any.parent;
                        levels[depth].push(TreeNode {
                            valid: from,
                            expected: to,
                            parent,
                        });
                    }
                } else {
                    levels[depth].retain(|node| node.valid != from);
                }
            }
        }
        tree = tree.and_then(prune);
        if !says.self_issued {
            explicit = explicit.saturating_sub(1);
            mapping = mapping.saturating_sub(1);
            inhibit_any = inhibit_any.saturating_sub(1);
        }
        let limit = |counter: &mut u64, value: Option<u8>| {
            if let Some(value) = value {
                *counter = u64::from(value).min(*counter);
            }
        };
        limit(&mut explicit, says.explicit);
        limit(&mut mapping, says.inhibit_mapping);
        limit(&mut inhibit_any, says.inhibit_any);
    }
    explicit = explicit.saturating_sub(1);
    if path[path.len() - 1].explicit == Some(0) {
        explicit = 0;
    }
    explicit > 0 || tree.is_some()
}

/// Nodes above without children go, level by level; a tree without nodes at its depth is NULL.
fn prune(mut levels: Vec<Vec<TreeNode>>) -> Option<Vec<Vec<TreeNode>>> {
    for depth in (0..levels.len() - 1).rev() {
        let keep: Vec<bool> = (0..levels[depth].len())
            .map(|at| levels[depth + 1].iter().any(|child| child.parent == at))
            .collect();
        let mut new_place = 0;
        let places: Vec<usize> = keep
            .iter()
            .map(|kept| {
                new_place += usize::from(*kept);
                new_place.saturating_sub(1)
            })
            .collect();
        for child in &mut levels[depth + 1] {
            child.parent = places[child.parent];
        }
        let mut at = 0;
        levels[depth].retain(|_| {
            at += 1;
            keep[at - 1]
        });
    }
    (!levels[0].is_empty() && levels.iter().all(|level| !level.is_empty())).then_some(levels)
}

fn oid(policy: u8) -> Vec<u8> {
    match policy {
        0 => tlv(6, ANY),
        n => tlv(6, &[0x2a, 3, n]),
    }
}

/// The answer of the validator to the same path, made into certificates.
fn by_the_validator(path: &[Says]) -> bool {
    let root = {
        let mut root = House::good().root;
        root.set(known::BASIC_CONSTRAINTS, true, ca_constraints(None));
        root
    };
    let mut above = Spec::new("root", "root");
    above.extensions.clone_from(&root.extensions);
    let anchor = root.signed_by(&root.key);
    let mut key = root.key;
    let mut name = "root".to_owned();
    let mut made = Vec::new();
    for (at, says) in path.iter().enumerate() {
        let is_leaf = at + 1 == path.len();
        let subject = if says.self_issued {
            name.clone()
        } else {
            format!("level {at}")
        };
        let mut spec = Spec::new(&subject, &name);
        spec.serial = vec![1, at as u8 + 1];
        let above_id =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.public_key().as_ref());
        spec.set(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &above_id.as_ref()[..20])]),
        );
        if at == 0 {
            let root_id = root_key_id(&above);
            spec.set(
                known::AUTHORITY_KEY_IDENTIFIER,
                false,
                sequence(&[&tlv(0x80, &root_id)]),
            );
        }
        if !is_leaf {
            spec.set(known::BASIC_CONSTRAINTS, true, ca_constraints(None));
            spec.set(known::KEY_USAGE, true, bits(&[0x06], 1));
        }
        let key_id = spec.key_id();
        spec.set(known::SUBJECT_KEY_IDENTIFIER, false, tlv(4, &key_id));
        if let Some(policies) = &says.policies {
            let list: Vec<u8> = policies
                .iter()
                .flat_map(|policy| sequence(&[&oid(*policy)]))
                .collect();
            spec.set(known::CERTIFICATE_POLICIES, false, tlv(0x30, &list));
        }
        if !says.mappings.is_empty() {
            let list: Vec<u8> = says
                .mappings
                .iter()
                .flat_map(|(from, to)| sequence(&[&oid(*from), &oid(*to)]))
                .collect();
            spec.set(known::POLICY_MAPPINGS, true, tlv(0x30, &list));
        }
        let skip = |tag, value: Option<u8>| value.map_or(Vec::new(), |value| tlv(tag, &[value]));
        if says.explicit.is_some() || says.inhibit_mapping.is_some() {
            spec.set(
                known::POLICY_CONSTRAINTS,
                true,
                sequence(&[
                    &skip(0x80, says.explicit),
                    &skip(0x81, says.inhibit_mapping),
                ]),
            );
        }
        if let Some(value) = says.inhibit_any {
            spec.set(known::INHIBIT_ANY_POLICY, true, tlv(2, &[value]));
        }
        made.push(spec.signed_by(&key));
        key = spec.key;
        name = subject;
    }
    let leaf = made.pop().expect("a leaf");
    let request = Request::new(&leaf, NOW)
        .trust([&anchor])
        .intermediates(&made);
    match validate(&request) {
        Ok(_) => true,
        Err(rejected)
            if rejected.kind == FailureKind::Policy || rejected.clause.contains("6.1.4 (a)") =>
        {
            false
        }
        Err(rejected) => unreachable!("{path:?}: {rejected}"),
    }
}

/// The subjectKeyIdentifier that the root was given.
fn root_key_id(root: &Spec) -> Vec<u8> {
    let value = root
        .extensions
        .iter()
        .find(|(oid, _, _)| *oid == known::SUBJECT_KEY_IDENTIFIER)
        .map(|(_, _, value)| value[2..].to_vec());
    value.expect("an identifier")
}

#[test]
fn the_set_of_expected_policies_answers_as_the_tree_of_the_clauses() {
    let mut random = fastrand::Rng::with_seed(5280);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..600 {
        let length = random.usize(1..=5);
        let mut path: Vec<Says> = (0..length)
            .map(|_| Says {
                self_issued: random.u8(0..5) == 0,
                policies: (random.u8(0..10) > 0).then(|| {
                    let mut policies: Vec<u8> = (0..4).filter(|_| random.bool()).collect();
                    if policies.is_empty() {
                        policies.push(random.u8(0..4));
                    }
                    policies
                }),
                mappings: match random.u8(0..3) {
                    0 => (0..random.u8(1..3))
                        .map(|_| (random.u8(1..4), random.u8(1..5)))
                        .collect(),
                    _ => Vec::new(),
                },
                explicit: (random.u8(0..3) == 0).then(|| random.u8(0..3)),
                inhibit_mapping: (random.u8(0..5) == 0).then(|| random.u8(0..2)),
                inhibit_any: (random.u8(0..4) == 0).then(|| random.u8(0..2)),
            })
            .collect();
        // Only a CA can be self-issued without being the trust anchor's own kind of certificate.
        if let Some(leaf) = path.last_mut() {
            leaf.self_issued = false;
        }
        for says in &mut path {
            says.mappings.sort_unstable();
            says.mappings.dedup();
        }
        let expected = by_the_clauses(&path);
        assert_eq!(by_the_validator(&path), expected, "{path:?}");
        if expected {
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    assert!(accepted > 80 && refused > 80, "{accepted} {refused}");
}

#[test]
fn a_mapping_of_any_policy_is_refused() {
    for mapping in [(0, 1), (1, 0)] {
        let path = [
            Says {
                policies: Some(vec![1]),
                mappings: vec![mapping],
                ..Says::default()
            },
            Says::default(),
        ];
        assert!(!by_the_validator(&path));
    }
}
