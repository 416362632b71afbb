import { hash } from 'node:crypto'
import type { Json } from '../adapters/contract.ts'
import { joinKey, splitKey } from '../adapters/cursor.ts'
import { JsonWriter, sortedKeys } from './canonical-json.ts'
import type { EventData } from './event.ts'

/**
 * What makes a record and its versions recognisable. All of it is stored, so none of it may ever change: the vectors
 * in the test of this file are the promise. Hashes are the first 132 bits of SHA-256 in base64url.
 */

/** `<system>/<company>/<subject>`: the same in every topic. `subject` comes from `subjectOf`. */
export function recordKey(system: string, company: string, subject: string): string {
  return `${joinKey([system, company])}/${subject}`
}

/** The parts that `recordKey` joined; the subject stays encoded. Throws TypeError for anything else. */
export function splitRecordKey(key: string): Readonly<{ system: string; company: string; subject: string }> {
  const first = key.indexOf('/')
  const second = key.indexOf('/', first + 1)
  if (first < 0 || second < 0) throw new TypeError('A record key has three parts: system/company/subject.')
  const subject = key.slice(second + 1)
  const owner = key.slice(0, second)
  if (!owner.includes('%')) return { system: owner.slice(0, first), company: owner.slice(first + 1), subject }
  const [system = '', company = ''] = splitKey(owner)
  return { system, company, subject }
}

/**
 * The business key of a record inside its company, from its parts. Control characters, which CloudEvents refuses in an
 * attribute, are percent-encoded like the separator. Throws TypeError where there is no key at all, and for half of a
 * surrogate pair, which would be lost in UTF-8.
 */
export function subjectOf(parts: readonly string[]): string {
  const subject = joinKey(parts)
  if (subject === '') throw new TypeError('A record without a business key cannot be identified.')
  if (!subject.isWellFormed()) throw new TypeError('A business key holds half of a surrogate pair.')
  return subject.replace(CONTROL_CHARACTERS, encodeURIComponent)
}

const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/g

/** The id of an event: a re-read yields the same, A→B→A three. */
export function eventId(lineage: string, recordKey: string, revision: number, contentHash: string): string {
  written.reset()
  written.value([lineage, recordKey, revision, contentHash])
  return digest(written.view())
}

/** What a version of a record says, and what it is compared by. */
export type Digests = Readonly<{
  /** The data as canonical JSON in UTF-8, its volatile fields last: what an event carries. */
  json: Uint8Array
  /** Over everything but the volatile fields; part of the event's id. */
  contentHash: string
  /**
   * A short digest per top-level field, only for saying which fields changed: six letters for each, six dashes where it
   * is null, a bar, and the fields' names as a list in JSON.
   */
  fieldDigests: string
}>

/** Where records are written to be hashed, one after the other; nothing stays in there. */
const written = new JsonWriter()
const writtenDigests = new JsonWriter()

/**
 * JSON and digests of an event's data; each field is written once. A field that is null counts as absent, so a schema
 * that grows by a field changes no hash.
 */
export function digestsOf(data: EventData, volatile: readonly string[]): Digests {
  const { names, list } = shapeOf(data, volatile)
  written.reset()
  written.raw('{')
  writtenDigests.reset()
  for (const name of names) {
    const value = data[name]
    if (value === null) {
      writtenDigests.raw(NO_DIGEST)
      continue
    }
    written.name(name, written.length === 1)
    const from = written.length
    written.value(value)
    writeShortDigest(writtenDigests, written.bytes, from, written.length)
  }
  written.raw('}')
  const contentHash = digest(written.view())
  written.back()
  for (const name of volatile) {
    const value = data[name] ?? null
    if (value === null) continue
    written.name(name, written.length === 1)
    written.value(value)
  }
  written.raw('}')
  const fieldDigests = writtenDigests.toString() + list
  return { json: Buffer.from(written.view()), contentHash, fieldDigests }
}

/** Fields of one kind of data in order, and their list as field digests end in it. */
type Shape = Readonly<{ keys: readonly string[]; names: readonly string[]; list: string }>

/** Of the data before: nearly always the next has the same fields, and nothing has to be sorted. */
let shape: Shape = { keys: [], names: [], list: '|[]' }
let shapeVolatile: readonly string[] = []

function shapeOf(data: EventData, volatile: readonly string[]): Shape {
  const keys = Object.keys(data)
  if (volatile === shapeVolatile && isSame(keys, shape.keys)) return shape
  const names = sortedKeys(data).filter((name) => !volatile.includes(name))
  shape = { keys, names, list: `|${JSON.stringify(names)}` }
  shapeVolatile = volatile
  return shape
}

function isSame(names: readonly string[], others: readonly string[]): boolean {
  if (names.length !== others.length) return false
  for (let index = 0; index < names.length; index += 1) if (names[index] !== others[index]) return false
  return true
}

/** The names of the fields that differ between two texts of field digests, sorted. */
export function changedFields(before: string, after: string): readonly string[] {
  const old = parseDigests(before)
  const current = parseDigests(after)
  const changed: string[] = []
  for (const [name, value] of current) if ((old.get(name) ?? NO_DIGEST) !== value) changed.push(name)
  for (const [name, value] of old) if (!current.has(name) && value !== NO_DIGEST) changed.push(name)
  return changed.sort()
}

/** Equal means equal words of the source. Throws TypeError for what JSON cannot say. */
export function fingerprint(data: { readonly [field: string]: Json }): string {
  const words = wordsOf(data)
  if (words !== null) return digest(words)
  written.reset()
  written.value(data)
  return digest(written.view())
}

let fieldKeys: readonly string[] = []
let fields: readonly Readonly<{ name: string; head: string }>[] = []

/**
 * Rows of tables and of files hold nothing but texts: names and texts with their lengths, in order, which hashes at half
 * the cost of their JSON. Null for all else, and for texts that UTF-8 cannot say.
 */
function wordsOf(data: { readonly [field: string]: Json }): string | null {
  const keys = Object.keys(data)
  if (!isSame(keys, fieldKeys)) {
    fieldKeys = keys
    fields = sortedKeys(data).map((name) => ({ name, head: `${name.length}:${name}` }))
  }
  let words = ''
  for (const { name, head } of fields) {
    const value = data[name]
    if (value === null) continue
    if (typeof value !== 'string') return null
    words += `${head}${value.length}:${value}`
  }
  return words !== '' && words.isWellFormed() ? words : null
}

function parseDigests(text: string): ReadonlyMap<string, string> {
  const bar = text.indexOf('|')
  const names: readonly string[] = bar < 0 ? [] : JSON.parse(text.slice(bar + 1))
  return new Map(names.map((name, place) => [name, text.slice(place * SHORT, (place + 1) * SHORT)]))
}

/** Letters of a short digest. */
const SHORT = 6
const NO_DIGEST = '-'.repeat(SHORT)

const DIGEST_CHARACTERS = 22

function digest(said: Uint8Array | string): string {
  return hash('sha256', said, 'base64url').slice(0, DIGEST_CHARACTERS)
}

/**
 * 36 bits of two multiplicative hashes, word by word, with a final mix: enough to tell two values of one field apart, at
 * a twentieth of the cost of SHA-256. What must never collide is the content hash.
 */
function writeShortDigest(into: JsonWriter, bytes: Uint8Array, from: number, to: number): void {
  let low = 0x811c9dc5 ^ (to - from)
  let high = 0x9747b28c
  for (let at = from; at < to; at += 4) {
    // What lies behind the last byte is none of it.
    const word = at + 4 <= to ? wordAt(bytes, at) : wordAt(bytes, at) & ((1 << ((to - at) * 8)) - 1)
    low = Math.imul(low ^ word, 0x01000193)
    low ^= low >>> 13
    high = Math.imul(high ^ word, 0x5bd1e995)
    high ^= high >>> 15
  }
  into.bits(mixed(low), mixed(high ^ low) & 0xf)
}

function wordAt(bytes: Uint8Array, at: number): number {
  const first = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
  return first | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)
}

function mixed(hash: number): number {
  let bits = hash
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}
