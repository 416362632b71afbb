import type { Mistake } from '../mapping/mistake.ts'
import type { ConfigTree, Path } from './document.ts'
import { mistakeAtPath } from './issues.ts'
import { branchOf, isGroup, type JsonSchema, memberOf } from './json-schema.ts'
import type { SecretCheck } from './references.ts'
import { parseReference } from './secret-reference.ts'

/**
 * References that lead nowhere, and references where none is read: there the text would be taken for the value.
 * `secrets` null: whether they lead anywhere is not asked.
 */
export function checkSecrets(
  tree: ConfigTree,
  schema: JsonSchema,
  secrets: SecretCheck | null,
): readonly Mistake[] {
  return references(schema, tree.value, []).flatMap(({ path, reference, isRead }) => {
    if (!isRead)
      return [
        mistakeAtPath(tree, path, 'value', 'takes no reference; only secrets do. Write the value itself'),
      ]
    const problem = secrets?.problem(reference) ?? null
    return problem === null ? [] : [mistakeAtPath(tree, path, 'value', problem)]
  })
}

type Found = Readonly<{ path: Path; reference: string; isRead: boolean }>

function references(schema: JsonSchema, written: unknown, path: Path): readonly Found[] {
  const branch = branchOf(schema, written)
  if (Array.isArray(written))
    return written.flatMap((item, at) => references(branch.items ?? {}, item, [...path, at]))
  if (isGroup(written))
    return Object.entries(written).flatMap(([key, value]) =>
      references(memberOf(branch, key), value, [...path, key]),
    )
  if (typeof written !== 'string' || parseReference(written) === null) return []
  // What stands where the schema knows nothing is a mistake already, for another reason.
  const isRead = branch.type === undefined || branch.secret === true || branch.reference === true
  return [{ path, reference: written, isRead }]
}
