import { join } from 'node:path'
import { readConfigTree } from '../config/document.ts'
import type { Files } from '../ports.ts'
import { type Mistake, suggestion } from './mistake.ts'
import { entry, mistakeAt, mistakeAtKey, type Written, type WrittenMap, writtenTree } from './written.ts'

/** A mapping file as it is written, with what it takes over from the mapping that it extends. */
export type MappingDefinition = Readonly<{
  /** `<erp>/<entity>` */
  name: string
  file: string
  entity: string
  /** Every key of the file, extended; `tests` are the file's own. */
  written: WrittenMap
  /** What is already seen to be wrong; compiling reports it with what it finds itself. */
  mistakes: readonly Mistake[]
}>

export type LoadedMapping = Readonly<
  { kind: 'loaded'; definition: MappingDefinition } | { kind: 'invalid'; mistakes: readonly Mistake[] }
>

/** Keys of a mapping file. */
const KEYS = [
  'mapping',
  'entity',
  'version',
  'extends',
  'company',
  'key',
  'changedAt',
  'fields',
  'tables',
  'tests',
]

const NAME = /^[a-z0-9]+(-[a-z0-9]+)*\/[a-z0-9]+(-[a-z0-9]+)*$/

/** `<erp>/tables.yaml` is no mapping: it holds the tables that all mappings of an ERP share. */
const TABLES = 'tables'

/** More would not be read by a person any more. */
const EXTENDS_MAX = 5

/**
 * Finds `<name>.yaml` in the first of the folders that has it and reads it with everything that it
 * extends. A mapping may extend the one of its own name in a later folder: that is how an
 * installation changes single entries of a built-in one. Tables of `<erp>/tables.yaml` lie under those
 * of the mapping. Only a file that cannot be read, or that names no entity, is invalid here; every
 * other mistake is reported by `compileMapping`, together with its own.
 */
export function loadMapping(name: string, folders: readonly string[], files: Files): LoadedMapping {
  const mistakes: Mistake[] = []
  const found = NAME.test(name) ? findFile(name, folders, files, []) : null
  if (found === null) {
    const message = `there is no mapping "${name}"${suggestion(name, listMappings(folders, files))}`
    return {
      kind: 'invalid',
      mistakes: [{ file: folders[0] ?? name, line: 1, column: 1, field: '', message }],
    }
  }
  const erps = new Set<string>()
  const own = readExtended(name, found, folders, files, [], mistakes, erps)
  if (own === null) return { kind: 'invalid', mistakes }
  const written = withSharedTables(own, erps, folders, files, mistakes)
  const entity = entry(written, 'entity')
  if (entity?.kind === 'text') {
    return { kind: 'loaded', definition: { name, file: found, entity: entity.text, written, mistakes } }
  }
  const wrong = mistakeAt(entity ?? written, '"entity" is missing: which entity does the mapping fill?')
  return { kind: 'invalid', mistakes: [...mistakes, wrong] }
}

/** The names of all mappings in the folders, sorted. */
export function listMappings(folders: readonly string[], files: Files): readonly string[] {
  const names = folders.flatMap((folder) =>
    (files.list(folder) ?? []).flatMap((erp) =>
      (files.list(join(folder, erp)) ?? [])
        .filter((file) => file.endsWith('.yaml') && file !== `${TABLES}.yaml`)
        .map((file) => `${erp}/${file.slice(0, -'.yaml'.length)}`),
    ),
  )
  return [...new Set(names)].sort()
}

function findFile(name: string, folders: readonly string[], files: Files, taken: readonly string[]) {
  for (const folder of folders) {
    const path = join(folder, `${name}.yaml`)
    if (!taken.includes(path) && files.read(path) !== null) return path
  }
  return null
}

function readExtended(
  name: string,
  file: string,
  folders: readonly string[],
  files: Files,
  above: readonly string[],
  mistakes: Mistake[],
  erps: Set<string>,
): WrittenMap | null {
  erps.add(name.slice(0, name.indexOf('/')))
  const { tree, mistakes: faults } = readConfigTree(file, files)
  mistakes.push(...faults)
  if (tree === null) return null
  const written = writtenTree(tree)
  if (written.kind !== 'map') return null
  checkHead(written, name, mistakes)
  const base = entry(written, 'extends')
  if (base === null) return written
  if (base.kind !== 'text' || !NAME.test(base.text)) {
    mistakes.push(mistakeAt(base, 'a mapping extends one other, named <erp>/<entity>'))
    return written
  }
  const taken = [...above, file]
  const found = findFile(base.text, folders, files, taken)
  if (found === null || taken.length > EXTENDS_MAX) {
    mistakes.push(mistakeAt(base, missingBase(base.text, folders, files, taken)))
    return written
  }
  const below = readExtended(base.text, found, folders, files, taken, mistakes, erps)
  return below === null ? written : extended(written, below)
}

/**
 * The tables that mappings of these ERPs share under the mapping's own, of an installation's file over the built-in one,
 * entry by entry. Only those that a rule names: an edit of another would look like an edit of the mapping.
 */
function withSharedTables(
  written: WrittenMap,
  erps: ReadonlySet<string>,
  folders: readonly string[],
  files: Files,
  mistakes: Mistake[],
): WrittenMap {
  let tables = entry(written, 'tables')
  const named = textsIn(written)
  for (const erp of erps) {
    for (const folder of folders) {
      const path = join(folder, erp, `${TABLES}.yaml`)
      if (files.read(path) === null) continue
      const { tree, mistakes: faults } = readConfigTree(path, files)
      mistakes.push(...faults)
      const shared = tree === null ? null : writtenTree(tree)
      if (shared?.kind !== 'map') continue
      const used = { ...shared, entries: new Map([...shared.entries].filter(([name]) => named.has(name))) }
      tables = tables === null ? used : merged(tables, used, 2)
    }
  }
  if (tables === null) return written
  return { ...written, entries: new Map(written.entries).set('tables', { key: tables.place, value: tables }) }
}

/** Every text of a mapping but those of its examples. */
function textsIn(written: Written, into = new Set<string>()): ReadonlySet<string> {
  if (written.kind === 'text') into.add(written.text)
  if (written.kind === 'list') for (const item of written.items) textsIn(item, into)
  if (written.kind === 'map')
    for (const [name, { value }] of written.entries) if (name !== 'tests') textsIn(value, into)
  return into
}

function missingBase(
  name: string,
  folders: readonly string[],
  files: Files,
  taken: readonly string[],
): string {
  if (taken.length > EXTENDS_MAX) return `mappings extend each other at most ${EXTENDS_MAX} deep`
  const isCycle = findFile(name, folders, files, []) !== null
  if (isCycle) return `"${name}" is already part of this chain: a mapping cannot extend itself`
  return `there is no mapping "${name}"${suggestion(name, listMappings(folders, files))}`
}

function checkHead(written: WrittenMap, name: string, mistakes: Mistake[]): void {
  for (const key of written.entries.keys()) {
    if (!KEYS.includes(key)) {
      mistakes.push(mistakeAtKey(written, key, `there is no setting "${key}"${suggestion(key, KEYS)}`))
    }
  }
  const stated = entry(written, 'mapping')
  if (stated !== null && (stated.kind !== 'text' || stated.text !== name)) {
    mistakes.push(mistakeAt(stated, `the file says another name than its place, which is "${name}"`))
  }
  for (const key of ['fields', 'tables']) {
    const part = entry(written, key)
    if (part !== null && part.kind !== 'map')
      mistakes.push(mistakeAt(part, `"${key}" must be a map of names`))
  }
}

/**
 * The upper file over the lower one: whole settings are replaced, `fields` by target, `tables` by
 * single entries (null takes one away). The lower file's tests are about the lower file.
 */
function extended(upper: WrittenMap, lower: WrittenMap): WrittenMap {
  const entries = new Map(lower.entries)
  entries.delete('tests')
  entries.delete('extends')
  for (const [name, own] of upper.entries) {
    const base = entries.get(name)
    const merge = name === 'fields' ? 1 : name === 'tables' ? 2 : 0
    entries.set(name, base === undefined ? own : { ...own, value: merged(own.value, base.value, merge) })
  }
  return { ...upper, entries }
}

function merged(upper: Written, lower: Written, depth: number): Written {
  if (depth === 0 || upper.kind !== 'map' || lower.kind !== 'map') return upper
  const entries = new Map(lower.entries)
  for (const [name, own] of upper.entries) {
    const base = entries.get(name)
    if (own.value.kind === 'null') entries.delete(name)
    else
      entries.set(
        name,
        base === undefined ? own : { ...own, value: merged(own.value, base.value, depth - 1) },
      )
  }
  return { ...upper, entries }
}
