import type { Sweep } from '../../adapters/contract.ts'
import { fuseLimit } from '../lane/fuses.ts'
import { laneName } from '../lane/lane-options.ts'
import { isKeyless } from '../lane/rebuild.ts'
import { VerbRefused } from '../lane/verb-refused.ts'
import type { Work } from '../lane/work.ts'
import type { ProjectionRow } from '../ports.ts'
import { Buckets, bucketOf, numberOf } from './buckets.ts'
import { type Looked, lookAt } from './looking.ts'
import type { Statement } from './statement.ts'

/** With ten million rows some 150 in each; 200 kB of memory a side. */
const BUCKETS = 65_536

/** Rows of the source that one statement sums up, and of the projection that one step counts. */
const SOURCE_ROWS = 50_000
const LOG_ROWS = 5_000

/** Keys that are read afresh in one step. */
const LOOK_KEYS = 500

/** More differences than this are not a matter for mending row by row. */
const DIFFERENCES_MAX = 1_000_000

/** What the comparison is at; `done` of `total` steps' rows. */
export type Progress = Readonly<{ phase: Phase; done: number; total: number }>
export type Phase = 'source' | 'log' | 'keys' | 'gone-source' | 'gone-log' | 'looking' | 'ended'

export type SweepOptions = Readonly<{
  heal: boolean
  /** Publish though more would be deleted, changed or created than the fuses let through. */
  beyondFuse: boolean
  by: string | null
}>

/**
 * Compares a feed with the log without reading it whole: sums of fingerprints by bucket on both sides, then the keys of
 * buckets that differ, then each key that differs by a fresh read of its own. It goes in steps, each for one turn of the
 * lane, so that polls go on between them. Nothing is published from what the comparison itself read.
 */
export class SweepRun {
  readonly #options: SweepOptions
  readonly #begun: string
  #phase: Phase = 'source'
  #after: string | null = null
  /** The place among the lane's reads where it began: what is read later is none of its business. */
  #before = ''
  readonly #source = new Buckets(BUCKETS)
  readonly #log = new Buckets(BUCKETS)
  #wanted: readonly number[] = []
  /** Of each wanted bucket, keys that both sides have. */
  readonly #shared = new Map<number, number>()
  #there = new Set<string>()
  readonly #suspects: string[] = []
  #count = { missing: 0, changed: 0, deleted: 0 }
  #looked = 0
  #done = 0
  #sent = 0
  #found: Looked = { missing: 0, changed: 0, deleted: 0, late: 0, healed: 0 }
  #refused: string | null = null

  constructor(options: SweepOptions, begun: string) {
    this.#options = options
    this.#begun = begun
  }

  progress(work: Pick<Work, 'lane'> | null): Progress {
    const rows = work?.lane.projection.count().live ?? 0
    const total = this.#phase === 'looking' ? this.#suspects.length : Math.max(rows, this.#source.rows)
    return { phase: this.#phase, done: Math.min(this.#done, total), total }
  }

  /** One step; true when there is no other. */
  async step(work: Work): Promise<boolean> {
    if (this.#before === '') this.#start(work)
    switch (this.#phase) {
      case 'source':
        await this.#sumSource(work)
        break
      case 'log':
        this.#sumLog(work)
        break
      case 'keys':
        await this.#compareKeys(work)
        break
      case 'gone-source':
        await this.#readThere(work)
        break
      case 'gone-log':
        this.#findGone(work)
        break
      case 'looking':
        await this.#look(work)
        break
      case 'ended':
        break
    }
    return this.#phase === 'ended'
  }

  statement(work: Work): Statement {
    const { deleted, missing, changed, late, healed } = this.#found
    const isLooked = this.#refused === null
    return {
      lane: laneName(work.options),
      begun: this.#begun,
      ended: new Date(work.options.ports.runtime.wall()).toISOString(),
      rowsInSource: this.#source.rows,
      rowsInLog: this.#log.rows,
      rowsSent: this.#sent,
      ...(isLooked ? { missing, changed, deleted } : this.#count),
      late,
      healed,
      refused: this.#refused,
      by: this.#options.by,
    }
  }

  #start(work: Work): void {
    const { phase } = work.lane.record
    if (phase !== 'live')
      throw new VerbRefused(
        `Lane ${laneName(work.options)} is still at its ${phase === 'initial' ? 'first load' : 'resync'}, which reads everything; compare it when that is through.`,
      )
    this.#before = work.source.nextCount()
  }

  #next(phase: Phase): void {
    this.#phase = phase
    this.#after = null
    this.#done = 0
  }

  async #sumSource(work: Work): Promise<void> {
    const part = { buckets: BUCKETS, after: this.#after, rowsMax: SOURCE_ROWS }
    const { sums, next } = await this.#ask(work, (sweep, signal) =>
      sweep.digest(work.options.feed.name, part, signal),
    )
    for (const sum of sums) this.#source.add(sum.bucket, sum)
    this.#done = this.#source.rows
    this.#after = next
    if (next === null) this.#next('log')
  }

  #sumLog(work: Work): void {
    const rows = work.lane.projection.standing(this.#after, LOG_ROWS)
    for (const row of rows) {
      if (isKeyless(row.sourceKey)) continue
      // One that the source did not compute makes its bucket differ, and then its key is looked at.
      const sum = numberOf(printOf(row)) ?? 1n
      this.#log.add(bucketOf(row.sourceKey, BUCKETS), { count: 1, sum: BigInt.asUintN(64, sum) })
    }
    this.#done = this.#log.rows
    this.#after = rows.at(-1)?.sourceKey ?? null
    if (rows.length >= LOG_ROWS) return
    this.#wanted = this.#source.differing(this.#log)
    this.#next(this.#wanted.length === 0 ? 'ended' : 'keys')
  }

  async #compareKeys(work: Work): Promise<void> {
    const { keys, next } = await this.#keysOf(work, this.#wanted)
    const rows = work.lane.projection.rows(keys.map(({ key }) => key))
    for (const { key, fingerprint } of keys) {
      const row = rows.get(key)
      const bucket = bucketOf(key, BUCKETS)
      if (row === undefined || !stands(row)) this.#suspect(key, 'missing', work)
      else {
        this.#shared.set(bucket, (this.#shared.get(bucket) ?? 0) + 1)
        if (printOf(row) !== fingerprint) this.#suspect(key, 'changed', work)
      }
    }
    if (next !== null) return
    this.#wanted = this.#wanted.filter((bucket) => (this.#shared.get(bucket) ?? 0) < this.#log.count(bucket))
    if (this.#wanted.length === 0) this.#judge(work)
    else this.#next('gone-source')
  }

  /** Where the log has more keys than both sides share: which are there. */
  async #readThere(work: Work): Promise<void> {
    const { keys, next } = await this.#keysOf(work, this.#wanted)
    for (const { key } of keys) this.#there.add(key)
    if (next === null) this.#next('gone-log')
  }

  /** And which rows of the log are not among them, if they were read before the comparison began. */
  #findGone(work: Work): void {
    const rows = work.lane.projection.standing(this.#after, LOG_ROWS)
    const wanted = new Set(this.#wanted)
    for (const { sourceKey, readOrder } of rows) {
      const isOld = readOrder < this.#before && !isKeyless(sourceKey)
      if (isOld && wanted.has(bucketOf(sourceKey, BUCKETS)) && !this.#there.has(sourceKey))
        this.#suspect(sourceKey, 'deleted', work)
    }
    this.#done += rows.length
    this.#after = rows.at(-1)?.sourceKey ?? null
    if (rows.length >= LOG_ROWS) return
    this.#there = new Set()
    this.#judge(work)
  }

  async #keysOf(work: Work, wanted: readonly number[]) {
    const part = { buckets: BUCKETS, wanted, after: this.#after, rowsMax: SOURCE_ROWS }
    const { keys, next } = await this.#ask(work, (sweep, signal) =>
      sweep.keys(work.options.feed.name, part, signal),
    )
    this.#sent += keys.length
    this.#after = next
    this.#done += SOURCE_ROWS
    const isWanted = new Set(wanted)
    return { keys: keys.filter(({ key }) => isWanted.has(bucketOf(key, BUCKETS))), next }
  }

  #suspect(key: string, kind: 'missing' | 'changed' | 'deleted', { options }: Work): void {
    // What came before the start of a feed that did not begin at the beginning was left out on purpose.
    if (kind === 'missing' && options.feed.start !== 'all') return
    this.#count[kind] += 1
    if (this.#suspects.length < DIFFERENCES_MAX) this.#suspects.push(key)
  }

  /** All are counted before the first is published. */
  #judge(work: Work): void {
    const { feed } = work.options
    const known = Math.max(work.lane.projection.count().live, 1)
    const kinds = { missing: feed.fuse.created, changed: feed.fuse.changed, deleted: feed.fuse.deleted }
    for (const kind of ['deleted', 'changed', 'missing'] as const) {
      const fuse = kinds[kind]
      if (fuse === null || this.#count[kind] <= fuseLimit(fuse, known)) continue
      this.#refused = `${this.#count[kind]} records are ${kind}, where the fuse lets ${fuseLimit(fuse, known)} of ${known} through`
      break
    }
    if (this.#suspects.length >= DIFFERENCES_MAX)
      this.#refused ??= `more than ${DIFFERENCES_MAX} records differ; run \`erpgw resync\``
    if (this.#options.beyondFuse) this.#refused = null
    this.#next(this.#refused === null && this.#suspects.length > 0 ? 'looking' : 'ended')
  }

  async #look(work: Work): Promise<void> {
    const keys = this.#suspects.slice(this.#looked, this.#looked + LOOK_KEYS)
    const looked = await lookAt(work, keys, { before: this.#before, heal: this.#options.heal })
    for (const kind of Object.keys(looked) as (keyof Looked)[]) this.#found[kind] += looked[kind]
    this.#sent += keys.length
    this.#looked += keys.length
    this.#done = this.#looked
    if (this.#looked >= this.#suspects.length) this.#next('ended')
  }

  #ask<Answer>(work: Work, ask: (sweep: Sweep, signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    return work.source.call('sweep', (session, signal) => {
      if (session.sweep !== undefined) return ask(session.sweep, signal)
      throw new VerbRefused(
        `Lane ${laneName(work.options)} cannot be compared: its source computes no fingerprints. Use \`erpgw resync\`.`,
      )
    })
  }
}

function stands(row: ProjectionRow): boolean {
  return (row.revision > 0 && !row.deleted) || row.rejected !== null
}

/** The fingerprint of the version that was seen last: what was rejected is there all the same. */
function printOf(row: ProjectionRow): string {
  return row.rejected ?? row.sourceFingerprint
}
