import type { Commit, GroupPosition, Placed, Transaction } from '../port.ts'
import { KafkaFault } from './client.ts'
import { REQUEST_MS } from './cluster.ts'
import { CODES, codeName, isFence, isForGood, isTransient, isUntaken, reasonFor } from './codes.ts'
import { asLogError, asRefused } from './faults.ts'
import type { Coded, Message } from './message.ts'
import type { TopicParts } from './messages-cluster.ts'
import {
  ADD_GROUP,
  ADD_PARTITIONS,
  COMMIT_POSITIONS,
  END_TRANSACTION,
  type Producer,
  type TopicPositions,
} from './messages-transaction.ts'
import type { PartitionWrites } from './packing.ts'
import { decodeProduced, encodeProduce, type PartitionBatch, PRODUCE, type Produced } from './produce.ts'
import type { PartitionState, TransactionContext } from './transaction-context.ts'
import { Ended, reasonOf } from './transaction-end.ts'
import type { Decision, Unsettled } from './unsettled.ts'
import { untilAborted } from './until-aborted.ts'

/**
 * After so long the broker breaks a transaction off by itself: the longest that a dead writer holds readers back (and up
 * to 10 s more, until it looks).
 */
export const TRANSACTION_MS = 15_000

/**
 * A transaction has this long. Far below the broker's own limit, since one that ran into that looks exactly as if the
 * writer had been fenced (measured: the same codes).
 */
const TRANSACT_MS = 10_000

/** How long the broker may wait for its replicas: below the time that its answer may take. */
const REPLICAS_MS = 5_000

type PartitionError = Coded & Readonly<{ topic: string; partition: number }>
type Answered = Readonly<{ write: PartitionWrites; answer: Produced }>
/**
 * One transaction of Kafka: partitions and groups added, records produced, positions moved, the end. Every request is
 * sent once; only what the broker answered it did not do is asked again. Once an answer is lost nobody can say what
 * the broker did, and a later request of this writer could meet a late one of the same, so that it is `unknown`.
 */
export async function runTransaction(
  context: TransactionContext,
  writes: readonly PartitionWrites[],
  transaction: Transaction,
  signal: AbortSignal,
): Promise<Commit> {
  const attempt = new Attempt(context, signal)
  try {
    await attempt.route(writes)
    const positions = transaction.positions ?? []
    await attempt.begin(
      writes,
      positions.map(({ group }) => group),
    )
    const placed = await attempt.produce(writes, transaction.records.length)
    await attempt.recognise(writes)
    await attempt.move(positions)
    context.failpoints.hit('log.before-commit')
    await attempt.commit()
    context.failpoints.hit('log.after-commit')
    await attempt.untilSeen()
    return { kind: 'committed', placed }
  } catch (error) {
    return await attempt.ended(error)
  }
}

/**
 * Ends what an earlier writer of the identity left without markers (see `findUnsettled`): a transaction over the same
 * partitions and groups, empty, is decided as that one was, and its markers stand for both.
 */
export async function settle(
  context: TransactionContext,
  left: readonly Unsettled[],
  groups: readonly string[],
  decision: Decision,
  signal: AbortSignal,
): Promise<Commit> {
  const attempt = new Attempt(context, signal)
  try {
    await attempt.begin(left, groups)
    if (decision === 'abort') return await attempt.broken()
    await attempt.commit()
    await attempt.untilSeen()
    return { kind: 'committed', placed: [] }
  } catch (error) {
    const isBegunCommit = decision === 'commit' && error instanceof Ended && error.undo
    // Not broken off: that would break off what was committed.
    if (isBegunCommit) return { kind: 'unknown', reason: reasonOf(error.commit) }
    return await attempt.ended(error)
  }
}

class Attempt {
  readonly #context: TransactionContext
  readonly #signal: AbortSignal
  readonly #begunAt: bigint
  readonly #leaders = new Map<PartitionWrites, number>()
  /** The broker may have seen something of it. */
  #isBegun = false

  constructor(context: TransactionContext, signal: AbortSignal) {
    this.#context = context
    this.#signal = signal
    this.#begunAt = context.runtime.mono()
  }

  /** Where each partition is written to; nothing has begun. */
  async route(writes: readonly PartitionWrites[]): Promise<void> {
    const { topicIds, topics } = this.#context
    for (const write of writes) {
      const { id, node, wire } = await topics.leader(write)
      if (!topicIds.has(wire)) topicIds.set(wire, id)
      this.#leaders.set(write, node)
    }
  }

  async begin(
    writes: readonly Pick<PartitionWrites, 'wire' | 'partition'>[],
    groups: readonly string[],
  ): Promise<void> {
    if (writes.length > 0) {
      const of = [...Map.groupBy(writes, ({ wire }) => wire)].map(
        ([topic, own]): TopicParts => ({ topic, partitions: own.map(({ partition }) => partition) }),
      )
      const failedOf = (answers: readonly PartitionError[]) =>
        answers.find(({ error }) => error !== CODES.NONE && error !== CODES.OPERATION_NOT_ATTEMPTED)
      const answers = await this.#decided(
        (node) => this.#ask(ADD_PARTITIONS, { of }, node),
        (all) => failedOf(all)?.error ?? CODES.NONE,
      )
      const failed = failedOf(answers)
      // All of them are added, or none.
      if (failed !== undefined) throw this.#refused(failed.error, `topic ${failed.topic}`, false)
    }
    for (const group of new Set(groups.map((one) => this.#context.topics.wire(one)))) {
      const { error } = await this.#decided(
        (node) => this.#ask(ADD_GROUP, { group }, node),
        (answer) => answer.error,
      )
      if (error !== CODES.NONE) throw this.#refused(error, `group ${group}`, writes.length > 0)
    }
  }

  /** Batch by batch of each partition, one request for each broker at a time. */
  async produce(writes: readonly PartitionWrites[], records: number): Promise<readonly Placed[]> {
    const placed = new Array<Placed>(records)
    const rounds = Math.max(0, ...writes.map(({ batches }) => batches.length))
    const done = new Map(writes.map((write) => [write, 0]))
    for (let round = 0; round < rounds; round += 1) {
      const due = writes.filter(({ batches }) => round < batches.length)
      for (const { write, answer } of await this.#produceRound(due, round)) {
        const first = done.get(write) ?? 0
        const count = write.batches[round]?.records.length ?? 0
        for (let place = 0; place < count; place += 1) {
          placed[write.drafts[first + place] ?? 0] = {
            partition: write.partition,
            offset: answer.offset + place,
          }
        }
        done.set(write, first + count)
      }
    }
    return placed
  }

  async #produceRound(writes: readonly PartitionWrites[], round: number): Promise<readonly Answered[]> {
    const byNode = Map.groupBy(writes, (write) => this.#leaders.get(write) ?? -1)
    const answers = await Promise.all([...byNode].map(([node, own]) => this.#produceTo(node, own, round)))
    const failed = answers.flat().filter(({ answer }) => answer.error !== CODES.NONE)
    // One that may have been taken decides for all: then nothing can be broken off in peace.
    const worst = failed.find(({ answer }) => !isUntaken(answer.error)) ?? failed[0]
    if (worst === undefined) return answers.flat()
    this.#context.topics.moved(worst.write.topic)
    throw this.#refused(worst.answer.error, `topic ${worst.write.wire}`, true)
  }

  async #produceTo(
    node: number,
    writes: readonly PartitionWrites[],
    round: number,
  ): Promise<readonly Answered[]> {
    const { cluster, identity, producer, runtime } = this.#context
    const batches = writes.flatMap(({ wire, partition, batches: own, topic }): PartitionBatch[] => {
      const batch = own[round]
      if (batch === undefined) return []
      return [{ topic: wire, partition, batch, sequence: this.#part(topic, partition).sequence }]
    })
    const body = encodeProduce({ identity, producer, time: runtime.wall(), timeoutMs: REPLICAS_MS, batches })
    const target = { node, use: 'write', timeoutMs: Math.min(REQUEST_MS, this.#leftMs()) } as const
    const answers = decodeProduced(await this.#sent(cluster.exchange(PRODUCE, body, target)))
    return writes.map((write) => {
      const answer = answers.find(
        ({ topic, partition }) => topic === write.wire && partition === write.partition,
      )
      if (answer === undefined)
        throw this.#unknown(`the broker said nothing about ${write.wire}/${write.partition}`)
      if (answer.error === CODES.NONE) this.#advance(write, answer, write.batches[round]?.records.length ?? 0)
      return { write, answer }
    })
  }

  /** Moves the partition's state along with a batch that was taken. */
  #advance({ topic, partition }: PartitionWrites, { offset }: Produced, count: number): void {
    const part = this.#part(topic, partition)
    if (offset <= part.last) {
      this.#context.topics.moved(topic)
      const reason = `Partition ${partition} of ${topic} went on at ${offset} after ${part.last}: its end was lost.`
      throw new Ended({ kind: 'refused', retryable: true, reason }, true)
    }
    part.sequence = (part.sequence + count) % 2 ** 31
    part.last = offset + count - 1
  }

  /**
   * A topic that was deleted and made again takes what comes under its name without a word. Asked behind the writes: a
   * topic that is deleted later takes them with it.
   */
  async recognise(writes: readonly PartitionWrites[]): Promise<void> {
    const { cluster, topicIds, topics } = this.#context
    const names = new Map(writes.map(({ wire, topic }) => [wire, topic]))
    if (names.size === 0) return
    for (const { name, id } of await this.#sent(cluster.describe([...names.keys()]))) {
      if (topicIds.get(name) === id) continue
      topics.moved(names.get(name) ?? name)
      const reason = `Topic ${name} was deleted and made again since this writer began; what it held is lost.`
      throw new Ended({ kind: 'refused', retryable: true, reason }, true)
    }
  }

  async move(positions: readonly GroupPosition[]): Promise<void> {
    const { cluster, topics } = this.#context
    for (const [group, own] of Map.groupBy(positions, (one) => topics.wire(one.group))) {
      const of = [...Map.groupBy(own, ({ topic }) => topic)].map(
        ([topic, some]): TopicPositions => ({ topic: topics.wire(topic), positions: some }),
      )
      const answers = await this.#sent(
        cluster.decided(
          'group',
          group,
          (node) => this.#ask(COMMIT_POSITIONS, { group, of }, node),
          (all) => all.find(({ error }) => isTransient(error))?.error ?? CODES.NONE,
          this.#leftMs(),
          this.#signal,
        ),
      )
      const failed = answers.find(({ error }) => error !== CODES.NONE)
      if (failed !== undefined) throw this.#refused(failed.error, `positions of ${group}`, true)
    }
  }

  async commit(): Promise<void> {
    const { error } = await this.#end(true)
    if (error === CODES.NONE) return
    if (isFence(error)) throw this.#fenced()
    throw this.#unknown(`the broker answered ${codeName(error)} to the commit`)
  }

  /**
   * The broker answers a commit once it is decided, before readers see it. Asked for the same again it says yes only
   * when all markers are written; whoever reads then sees all of it (measured: half of 300 were not seen before). Where
   * it cannot say so, its markers may be lost, and the next writer has to look.
   */
  async untilSeen(): Promise<void> {
    try {
      const { error } = await this.#end(true)
      // A successor has looked.
      if (error === CODES.NONE || isFence(error)) return
      throw this.#unknown(`it was decided, and the broker answered ${codeName(error)} before readers saw it`)
    } catch (error) {
      if (!this.#signal.aborted) throw error
    }
  }

  /** From what went wrong to what became of the transaction. */
  async ended(error: unknown): Promise<Commit> {
    if (error instanceof Ended) {
      if (!error.undo || (await this.#isUndone())) return error.commit
      return { kind: 'unknown', reason: `${reasonOf(error.commit)}, and it could not be broken off` }
    }
    if (!this.#isBegun && this.#signal.aborted) throw this.#signal.reason
    if (!this.#isBegun) return asRefused(error)
    const known = asLogError(error)
    return { kind: 'unknown', reason: known instanceof Error ? known.message : String(known) }
  }

  /** Ends it as broken off; `committed` says that this is so. */
  async broken(): Promise<Commit> {
    if (await this.#isUndone()) return { kind: 'committed', placed: [] }
    return { kind: 'unknown', reason: 'it could not be broken off' }
  }

  /** The first answer says that it is decided, the second that its markers are written. */
  async #isUndone(): Promise<boolean> {
    for (let asked = 0; asked < 2; asked += 1) {
      const answer = await this.#end(false).catch(() => null)
      if (answer?.error !== CODES.NONE) return false
    }
    return true
  }

  #end(isCommit: boolean): Promise<Readonly<{ error: number }>> {
    return this.#decided(
      (node) => this.#ask(END_TRANSACTION, { isCommit }, node),
      ({ error }) => error,
    )
  }

  /** Asks the coordinator again as long as it says that it did nothing. */
  async #decided<Answer>(
    ask: (node: number) => Promise<Answer>,
    codeOf: (answer: Answer) => number,
  ): Promise<Answer> {
    const { cluster, identity } = this.#context
    return await cluster.decided(
      'transaction',
      identity,
      (node) => this.#sent(ask(node)),
      codeOf,
      this.#leftMs(),
      this.#signal,
    )
  }

  #ask<Request, Answer>(
    message: Message<Request & Readonly<{ identity: string; producer: Producer }>, Answer>,
    request: Request,
    node: number,
  ): Promise<Answer> {
    const { cluster, identity, producer } = this.#context
    const whole = { ...request, identity, producer }
    return cluster.ask(message, whole, {
      node,
      use: 'write',
      timeoutMs: Math.min(REQUEST_MS, this.#leftMs()),
    })
  }

  /** From its first request on the broker may know of the transaction; the caller may leave at any time. */
  async #sent<Answer>(answer: Promise<Answer>): Promise<Answer> {
    try {
      const got = await untilAborted(answer, this.#signal)
      this.#isBegun = true
      return got
    } catch (error) {
      if (!(error instanceof KafkaFault) || error.kind === 'lost') this.#isBegun = true
      throw error
    }
  }

  #part(topic: string, partition: number): PartitionState {
    const { parts } = this.#context
    const name = `${topic}/${partition}`
    const known = parts.get(name)
    if (known !== undefined) return known
    const part = { sequence: 0, last: -1 }
    parts.set(name, part)
    return part
  }

  #leftMs(): number {
    return Math.max(1, TRANSACT_MS - this.#spentMs())
  }

  #spentMs(): number {
    return Number((this.#context.runtime.mono() - this.#begunAt) / 1_000_000n)
  }

  #refused(error: number, about: string, undo: boolean): Ended {
    if (isFence(error)) return this.#fenced()
    const reason = reasonFor(error, about)
    if (isForGood(error)) return new Ended({ kind: 'refused', retryable: false, reason }, undo)
    if (isUntaken(error)) return new Ended({ kind: 'refused', retryable: true, reason }, undo)
    return this.#unknown(reason)
  }

  /** After the broker's own time-out it says the same of a writer that nobody has fenced. */
  #fenced(): Ended {
    const spent = this.#spentMs()
    if (spent < TRANSACTION_MS) return new Ended({ kind: 'fenced' }, false)
    return this.#unknown(`it took ${spent} ms, and the broker broke it off after ${TRANSACTION_MS}`)
  }

  #unknown(reason: string): Ended {
    return new Ended({ kind: 'unknown', reason }, false)
  }
}
