import { basename, join } from 'node:path'
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type Scalar,
  type SchemaOptions,
  type YAMLError,
} from 'yaml'
import type { Mistake, Place } from '../mapping/mistake.ts'
import type { Files } from '../ports.ts'
import { sourceOffset } from './scalar-offset.ts'

/** Keys and list indexes from the top of the file to a value. */
export type Path = readonly PropertyKey[]

/**
 * What the YAML says, still untyped, with the place of everything in it. Every scalar is text, except plain `true`,
 * `false` and `null`. Several files of a folder are one tree.
 */
export type ConfigTree = Readonly<{
  value: { readonly [key: string]: unknown }
  /** Where the key of a path stands, or its value; the nearest enclosing thing where the path itself is not there. */
  place(path: Path, of: 'key' | 'value'): Place
  /** Where a character of a text stands, whatever way the text is written (plain, quoted, block, folded). */
  placeInText(path: Path, offset: number): Place
  /** Whether something is written at this path. */
  has(path: Path): boolean
  /** What is written at this path; undefined where nothing is. */
  at(path: Path): unknown
}>

/** `tree` is null where no meaning can be got out of the text at all; `mistakes` then say why. */
export type Reading = Readonly<{ tree: ConfigTree | null; mistakes: readonly Mistake[] }>

/** Scalars are text, except plain `true`, `false` and `null`: `0010`, `1.10`, `no` and dates stay what was written. */
export const YAML_SCHEMA = {
  schema: 'failsafe',
  customTags: ['null', 'bool'],
} as const satisfies SchemaOptions

export const CONFIG_BYTES_MAX = 1_000_000
const CONFIG_DEPTH_MAX = 32

/** Reads one YAML file, or all `*.yaml` of a folder, merged by their top-level keys. `path` is absolute. */
export function readConfigTree(path: string, files: Files): Reading {
  const mistakes: Mistake[] = []
  const index: Index = { root: { file: path, line: 1, column: 1 }, entries: new Map() }
  const value = emptyObject()
  let readable = true
  for (const file of filesOf(path, files, mistakes)) {
    const source = parseFile(file, files, mistakes)
    if (source === null) readable = false
    else merge(source, value, index, mistakes)
  }
  if (!readable || (mistakes.length > 0 && index.entries.size === 0)) return { tree: null, mistakes }
  return { tree: treeOf(value, index), mistakes }
}

/** The dotted form of a path that people read: `routes.stock-low.to[0].group`. */
export function pathText(path: Path): string {
  return path
    .map((part, position) => {
      if (typeof part === 'number') return `[${part}]`
      return position === 0 ? String(part) : `.${String(part)}`
    })
    .join('')
}

/** The keys and values of a group at a path; none where there is no group. */
export function entriesAt(tree: ConfigTree, path: Path): readonly (readonly [string, unknown])[] {
  const value = tree.at(path)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}

// ─── files ──────────────────────────────────────────────────────────────────────────────────────

/** One file after parsing. */
type Source = Readonly<{ file: string; text: string; lines: LineCounter; document: Document.Parsed }>

function filesOf(path: string, files: Files, mistakes: Mistake[]): readonly string[] {
  const names = files.list(path)
  if (names === null) return [path]
  const found = names.filter((name) => name.endsWith('.yaml')).sort()
  if (found.length === 0) {
    mistakes.push(atStart(path, 'The folder holds no *.yaml file; `erpgw init` writes a first one.'))
  }
  return found.map((name) => join(path, name))
}

function parseFile(file: string, files: Files, mistakes: Mistake[]): Source | null {
  let text: string | null
  try {
    text = files.read(file)
  } catch (error) {
    mistakes.push(atStart(file, error instanceof Error ? error.message : 'The file cannot be read.'))
    return null
  }
  if (text === null) {
    mistakes.push(atStart(file, 'There is no such file; `erpgw init` writes a first one.'))
    return null
  }
  if (Buffer.byteLength(text) > CONFIG_BYTES_MAX) {
    mistakes.push(
      atStart(file, `The file is larger than ${CONFIG_BYTES_MAX} bytes; use several in a folder.`),
    )
    return null
  }
  const lines = new LineCounter()
  const document = parseDocument(text, {
    ...YAML_SCHEMA,
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    // Duplicates are found here, in `mergeMap`: the library compares every key with every other one.
    uniqueKeys: false,
  })
  const source: Source = { file, text, lines, document }
  for (const error of worstFirst([...document.errors, ...document.warnings])) {
    mistakes.push(mistakeAt(source, error.pos[0], [], yamlMessage(error)))
  }
  return document.errors.length > 0 ? null : source
}

const SYNTAX_MISTAKES_MAX = 20

/** A text that nests beyond the stack yields one error with that code and hundreds that only follow from it. */
function worstFirst(errors: readonly YAMLError[]): readonly YAMLError[] {
  const exhausted = errors.find((error) => error.code === 'RESOURCE_EXHAUSTION')
  return exhausted === undefined ? errors.slice(0, SYNTAX_MISTAKES_MAX) : [exhausted]
}

const TOO_DEEP = `Values are nested deeper than ${CONFIG_DEPTH_MAX} levels.`

/** The library's own messages quote the text, and the text may hold what somebody should not have written there. */
function yamlMessage(error: YAMLError): string {
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return 'A tab stands where YAML allows only spaces; replace it by spaces.'
    case 'BAD_INDENT':
      return 'The line is not indented as the lines around it are.'
    case 'MISSING_CHAR':
      return 'A closing quote or bracket, a colon or a comma is missing.'
    case 'BAD_DQ_ESCAPE':
      return 'A backslash inside double quotes begins no known escape; write \\\\ or use single quotes.'
    case 'BAD_ALIAS':
    case 'ALIAS_PROPS':
    case 'MULTIPLE_ANCHORS':
      return ALIAS_REFUSED
    case 'MULTIPLE_DOCS':
      return 'A second document begins here (---); a config file holds one.'
    case 'NON_STRING_KEY':
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
    case 'KEY_OVER_1024_CHARS':
      return 'A key must be a short text on one line.'
    case 'TAG_RESOLVE_FAILED':
    case 'BAD_COLLECTION_TYPE':
    case 'MULTIPLE_TAGS':
      return 'Type tags (!…) are not used here; write the value alone, in quotes if it begins with "!".'
    case 'BAD_DIRECTIVE':
      return 'Directives (%…) are not used here; remove the line.'
    case 'RESOURCE_EXHAUSTION':
      return TOO_DEEP
    default:
      return 'This is not YAML; a value with special characters needs quotes.'
  }
}

// ─── from nodes to a tree ───────────────────────────────────────────────────────────────────────

const ALIAS_REFUSED = 'Anchors (&) and aliases (*) are not used here; write the value out, or quote it.'

/** They would reach the prototype of an object instead of one of its own settings. */
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

type Entry = Readonly<{ source: Source; key: Node | null; value: Node | null }>
type Index = Readonly<{ root: Place; entries: Map<string, Entry> }>
type PlainObject = { [key: string]: unknown }

function merge(source: Source, into: PlainObject, index: Index, mistakes: Mistake[]): void {
  const { contents } = source.document
  if (contents === null) return
  if (!isMap(contents)) {
    mistakes.push(mistakeAt(source, contents.range[0], [], 'The file must consist of `key: value` lines.'))
    return
  }
  mergeMap({ source, index, mistakes }, contents, [], into)
}

type Conversion = Readonly<{ source: Source; index: Index; mistakes: Mistake[] }>

function mergeMap(conversion: Conversion, map: ParsedNode, path: Path, into: PlainObject): void {
  const { source, index, mistakes } = conversion
  if (!isMap(map)) return
  refuseAnchor(conversion, map, path)
  for (const pair of map.items) {
    const key = pair.key as Scalar
    const name = String(key.value)
    const here = [...path, name]
    const at = key.range?.[0] ?? 0
    const earlier = index.entries.get(indexKey(here))
    if (PROTOTYPE_KEYS.has(name)) {
      mistakes.push(mistakeAt(source, at, here, `"${name}" cannot be used as a name; choose another.`))
    } else if (name === '<<') {
      mistakes.push(mistakeAt(source, at, here, 'Merge keys (<<) are not used here; write the settings out.'))
    } else if (earlier !== undefined) {
      const place = placeOfNode(earlier.source, earlier.key)
      const where = `${earlier.source.file === source.file ? 'line' : `${place.file}, line`} ${place.line}`
      mistakes.push(
        mistakeAt(source, at, here, `"${name}" is already defined at ${where}; keep one of them.`),
      )
    } else {
      const value = pair.value as ParsedNode | null
      index.entries.set(indexKey(here), { source, key, value })
      into[name] = plainOf(conversion, value, here)
    }
  }
}

function plainOf(conversion: Conversion, node: ParsedNode | null, path: Path): unknown {
  const { source, index, mistakes } = conversion
  if (node === null) return null
  const fault = (message: string): null => {
    mistakes.push(mistakeAt(source, node.range[0], path, message))
    return null
  }
  if (path.length > CONFIG_DEPTH_MAX) return fault(TOO_DEEP)
  if (isAlias(node)) return fault(ALIAS_REFUSED)
  if (isScalar(node)) {
    refuseAnchor(conversion, node, path)
    return node.value
  }
  if (isSeq(node)) {
    refuseAnchor(conversion, node, path)
    return node.items.map((item, position) => {
      const here = [...path, position]
      index.entries.set(indexKey(here), { source, key: null, value: item })
      return plainOf(conversion, item, here)
    })
  }
  const object = emptyObject()
  mergeMap(conversion, node, path, object)
  return object
}

function refuseAnchor(conversion: Conversion, node: ParsedNode, path: Path): void {
  if (isAlias(node) || node.anchor === undefined) return
  conversion.mistakes.push(mistakeAt(conversion.source, node.range[0], path, ALIAS_REFUSED))
}

function emptyObject(): PlainObject {
  return Object.create(null)
}

// ─── places ─────────────────────────────────────────────────────────────────────────────────────

function treeOf(value: PlainObject, index: Index): ConfigTree {
  const nearestEntry = (path: Path): readonly [Entry | undefined, boolean] => {
    for (let length = path.length; length > 0; length--) {
      const entry = index.entries.get(indexKey(path.slice(0, length)))
      if (entry !== undefined) return [entry, length === path.length]
    }
    return [undefined, false]
  }
  const place = (path: Path, of: 'key' | 'value'): Place => {
    const [entry, exact] = nearestEntry(path)
    if (entry === undefined) return index.root
    const wanted = of === 'value' && exact ? (entry.value ?? entry.key) : (entry.key ?? entry.value)
    return placeOfNode(entry.source, wanted)
  }
  return {
    value,
    place,
    placeInText(path, offset) {
      const entry = index.entries.get(indexKey(path))
      if (entry === undefined || !isScalar(entry.value)) return place(path, 'value')
      return placeOf(entry.source, sourceOffset(entry.value, entry.source.text, offset))
    },
    has: (path) => path.length === 0 || index.entries.has(indexKey(path)),
    at: (path) => path.reduce(memberOf, value),
  }
}

function memberOf(of: unknown, part: PropertyKey): unknown {
  if (typeof of !== 'object' || of === null || !Object.hasOwn(of, part)) return undefined
  return Reflect.get(of, part)
}

function indexKey(path: Path): string {
  return JSON.stringify(path.map(String))
}

function placeOfNode(source: Source, node: Node | null): Place {
  return placeOf(source, node?.range?.[0] ?? 0)
}

function placeOf(source: Source, offset: number): Place {
  const { line, col } = source.lines.linePos(offset)
  return { file: source.file, line: Math.max(line, 1), column: Math.max(col, 1) }
}

function mistakeAt(source: Source, offset: number, path: Path, message: string): Mistake {
  return { ...placeOf(source, offset), field: pathText(path), message }
}

function atStart(file: string, message: string): Mistake {
  return { file, line: 1, column: 1, field: '', message: `${basename(file)}: ${message}` }
}
