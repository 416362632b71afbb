import type { Json } from '../../adapters/contract.ts'
import type { ConfigTree, Path } from '../config/document.ts'
import { pathText } from '../config/document.ts'
import type { Mistake, Place } from './mistake.ts'

/**
 * A value of a mapping file with the place where it is written. Parts of several files (a mapping
 * and the base that it extends) can be put together, and each part still knows its own line.
 * Scalars are text, except true, false and null.
 */
export type Written = Readonly<{ place: Place; path: string }> & WrittenValue

type WrittenValue = Readonly<
  | { kind: 'text'; text: string; placeIn(offset: number): Place }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'null' }
  | { kind: 'list'; items: readonly Written[] }
  | { kind: 'map'; entries: ReadonlyMap<string, WrittenEntry> }
>

export type WrittenEntry = Readonly<{ key: Place; value: Written }>

export type WrittenMap = Extract<Written, { kind: 'map' }>

/** A whole file. */
export function writtenTree(tree: ConfigTree): Written {
  return writtenAt(tree, [], tree.value)
}

function writtenAt(tree: ConfigTree, path: Path, value: unknown): Written {
  const at = { place: tree.place(path, 'value'), path: pathText(path) }
  if (typeof value === 'string') {
    return { ...at, kind: 'text', text: value, placeIn: (offset) => tree.placeInText(path, offset) }
  }
  if (typeof value === 'boolean') return { ...at, kind: 'boolean', value }
  if (Array.isArray(value)) {
    return { ...at, kind: 'list', items: value.map((item, index) => writtenAt(tree, [...path, index], item)) }
  }
  if (typeof value !== 'object' || value === null) return { ...at, kind: 'null' }
  const entries = new Map<string, WrittenEntry>()
  for (const [name, inner] of Object.entries(value)) {
    const here = [...path, name]
    entries.set(name, { key: tree.place(here, 'key'), value: writtenAt(tree, here, inner) })
  }
  return { ...at, kind: 'map', entries }
}

/** The same as JSON: what the file says, without places. */
export function plain(written: Written): Json {
  switch (written.kind) {
    case 'text':
      return written.text
    case 'boolean':
      return written.value
    case 'null':
      return null
    case 'list':
      return written.items.map(plain)
    case 'map':
      return Object.fromEntries([...written.entries].map(([name, { value }]) => [name, plain(value)]))
  }
}

/** The value under a name of a map, or null when the map has none. */
export function entry(map: WrittenMap, name: string): Written | null {
  return map.entries.get(name)?.value ?? null
}

/** A mistake at a written value. */
export function mistakeAt(written: Written, message: string): Mistake {
  return { ...written.place, field: written.path, message }
}

/** A mistake at the key of an entry. */
export function mistakeAtKey(map: WrittenMap, name: string, message: string): Mistake {
  const place = map.entries.get(name)?.key ?? map.place
  return { ...place, field: map.path === '' ? name : `${map.path}.${name}`, message }
}
