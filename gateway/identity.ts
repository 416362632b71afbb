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
  /** A short digest per top-level field, as compact JSON text; only for saying which fields changed. */
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
  written.reset()
  written.raw('{')
  writtenDigests.reset()
  writtenDigests.raw('{')
  const names = sortedKeys(data)
  for (const name of names) {
    const value = data[name]
    if (value === null || volatile.includes(name)) continue
    const isFirst = written.length === 1
    written.name(name, isFirst)
    const from = written.length
    written.value(value)
    writtenDigests.name(name, isFirst)
    writeShortDigest(writtenDigests, written.bytes, from, written.length)
  }
  written.raw('}')
  writtenDigests.raw('}')
  const contentHash = digest(written.view())
  written.back()
  for (const name of volatile) {
    const value = data[name] ?? null
    if (value === null) continue
    written.name(name, written.length === 1)
    written.value(value)
  }
  written.raw('}')
  return { json: Buffer.from(written.view()), contentHash, fieldDigests: writtenDigests.toString() }
}

/** The names of the fields that differ between two texts of field digests, sorted. */
export function changedFields(before: string, after: string): readonly string[] {
  const old = parseDigests(before)
  const current = parseDigests(after)
  const changed: string[] = []
  for (const [name, value] of current) if (old.get(name) !== value) changed.push(name)
  for (const name of old.keys()) if (!current.has(name)) changed.push(name)
  return changed.sort()
}

/** Equal means equal words of the source. Throws TypeError for what JSON cannot say. */
export function fingerprint(data: { readonly [field: string]: Json }): string {
  written.reset()
  written.value(data)
  return digest(written.view())
}

function parseDigests(text: string): ReadonlyMap<string, unknown> {
  const digests: object = JSON.parse(text)
  return new Map(Object.entries(digests))
}

const DIGEST_CHARACTERS = 22

function digest(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64url').slice(0, DIGEST_CHARACTERS)
}

/**
 * 64 bits of two multiplicative hashes, word by word, with a final mix: enough to tell two values of one field apart, at
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
  into.bits(mixed(low), mixed(high ^ low))
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
