import type { Failpoints, Runtime } from '../../runtime.ts'
import { assertTransaction } from '../drafts.ts'
import { LogError } from '../errors.ts'
import type { Commit, Transaction, Writer } from '../port.ts'
import { type KafkaCluster, REQUEST_MS } from './cluster.ts'
import { CODES, refusal } from './codes.ts'
import { asRefused } from './faults.ts'
import { INIT_PRODUCER, type Producer } from './messages-transaction.ts'
import { type PartitionWrites, pack } from './packing.ts'
import type { Topics } from './topics.ts'
import { runTransaction, settle, TRANSACTION_MS } from './transaction.ts'
import type { TransactionContext } from './transaction-context.ts'
import {
  type Decision,
  decisionOf,
  findUnsettled,
  isEnding,
  lastTransaction,
  overtaken,
  type Unsettled,
  undecidable,
} from './unsettled.ts'

export type WriterOptions = Readonly<{
  cluster: KafkaCluster
  topics: Topics
  runtime: Runtime
  failpoints: Failpoints
  /** What was found without markers, by identity: it outlives an opening that fails half-way. */
  unsettled: Map<string, Left>
}>

type Left = Readonly<{
  decision: Decision | null
  parts: readonly Unsettled[]
  /** The writer that the coordinator had last when this was known; of a later one it says nothing. */
  of: Producer
  /** It has begun to settle it. Another one would break that off, and with it what was committed. */
  isBegun: boolean
}>

/** For settling: what is cut off must not be broken off by the broker before it was tried again. */
const SETTLE_TRANSACTION_MS = 600_000

/** How long a writer that came before may take to be ended: its transaction is broken off meanwhile. */
const FENCE_MS = 30_000

/**
 * A writer with this identity: whoever had it before is fenced, what it left open is broken off, and what it left
 * without markers is decided as it was, when this resolves. (An empty transaction on top, as clients make, does nothing
 * more: the broker refuses one.)
 */
export async function openWriter(
  options: WriterOptions,
  identity: string,
  groups: readonly string[],
  signal: AbortSignal,
): Promise<Writer> {
  const { cluster, unsettled } = options
  const begun = unsettled.get(identity)
  if (begun?.isBegun === true) {
    await settleOrThrow(contextOf(options, identity, begun.of), begun, groups)
    return await openWriter(options, identity, [], signal)
  }
  const { error, producer, before } = await cluster.decided(
    'transaction',
    identity,
    (node) => takeOver(options, identity, groups, node, signal),
    (answer) => answer.error,
    FENCE_MS,
    signal,
  )
  if (error !== CODES.NONE) throw refusal(error, `writing as ${identity}`)
  const context = contextOf(options, identity, producer)
  const left = unsettled.get(identity)
  if (left === undefined) return createWriter(context)
  const isSame = before?.id === producer.id
  if (left.parts.length > 0 && (left.decision === null || !isSame)) throw undecidable(identity, left.parts)
  unsettled.delete(identity)
  if (!isSame || left.decision === null) return createWriter(context)
  await settleOrThrow(context, left, groups)
  // Of a writer that dies nobody wants to wait as long as this one may take.
  return await openWriter(options, identity, [], signal)
}

function contextOf(
  options: WriterOptions,
  identity: string,
  producer: Producer,
): TransactionContext & Pick<WriterOptions, 'unsettled'> {
  return { ...options, identity, producer, parts: new Map(), topicIds: new Map() }
}

/** Under no signal of the caller: one that is cut off is broken off by whoever comes next. */
async function settleOrThrow(
  context: TransactionContext & Pick<WriterOptions, 'unsettled'>,
  left: Left,
  groups: readonly string[],
): Promise<void> {
  const { cluster, identity, producer, unsettled } = context
  if (left.decision === null) return
  unsettled.set(identity, { ...left, of: producer, isBegun: true })
  const settled = await settle(context, left.parts, groups, left.decision, cluster.closed)
  if (settled.kind === 'committed') {
    unsettled.delete(identity)
    return
  }
  if (settled.kind === 'fenced') {
    unsettled.delete(identity)
    throw overtaken(identity, left.parts)
  }
  // Of what was refused nothing has begun; the next look finds what is still there.
  unsettled.set(identity, { ...left, of: producer, isBegun: settled.kind === 'unknown' })
  throw new LogError(
    'LOG_UNAVAILABLE',
    `What ${identity} left in Kafka without an end could not be ended yet: ${settled.reason}`,
  )
}

/**
 * Looks for what the last transaction left right before the next writer makes the coordinator forget about it. Whether
 * it left positions of a group nobody tells, so that these are always settled.
 */
async function takeOver(
  options: WriterOptions,
  identity: string,
  groups: readonly string[],
  node: number,
  signal: AbortSignal,
) {
  const { cluster, topics, unsettled } = options
  const last = await lastTransaction(cluster, identity, node)
  const before = last.producer
  if (last.error !== CODES.NONE) return { error: last.error, producer: NOBODY, before }
  if (isEnding(last)) return { error: CODES.CONCURRENT_TRANSACTIONS, producer: NOBODY, before }
  if (before !== null && last.state !== 'Ongoing') {
    const parts = await findUnsettled(cluster, topics, before.id, signal)
    const decision = decisionOf(last) ?? remembered(unsettled.get(identity), before)
    const isLeft = parts.length > 0 || (groups.length > 0 && decision !== null)
    if (isLeft) unsettled.set(identity, { decision, parts, of: before, isBegun: false })
    else unsettled.delete(identity)
  }
  const target = { node, use: 'write', timeoutMs: REQUEST_MS } as const
  const timeoutMs = unsettled.has(identity) ? SETTLE_TRANSACTION_MS : TRANSACTION_MS
  const answer = await cluster.ask(INIT_PRODUCER, { identity, timeoutMs }, target)
  if (answer.error !== CODES.INVALID_TRANSACTION_TIMEOUT) return { ...answer, before }
  return { ...(await cluster.ask(INIT_PRODUCER, { identity, timeoutMs: TRANSACTION_MS }, target)), before }
}

/** A decision that the coordinator has forgotten, since this very writer was opened and did not come to write. */
function remembered(left: Left | undefined, before: Producer): Decision | null {
  if (left === undefined || left.of.id !== before.id) return null
  // The answer that named the newer epoch may have been lost.
  return before.epoch <= left.of.epoch + 1 ? left.decision : null
}

const NOBODY: Producer = { id: -1n, epoch: -1 }

function createWriter(context: TransactionContext): Writer {
  let state: 'free' | 'busy' | 'spent' | 'closed' = 'free'
  const decide = async (transaction: Transaction, signal: AbortSignal): Promise<Commit> => {
    const packed = await packOrRefuse(context.topics, transaction)
    if ('kind' in packed) return packed
    signal.throwIfAborted()
    return await runTransaction(context, packed, transaction, signal)
  }
  return {
    async transact(transaction, signal) {
      assertTransaction(transaction)
      if (state !== 'free') {
        throw new LogError('LOG_MISUSED', `A ${state} writer of the log was given a transaction.`)
      }
      signal.throwIfAborted()
      state = 'busy'
      try {
        const commit = await decide(transaction, signal)
        if (commit.kind === 'unknown') state = 'spent'
        return commit
      } finally {
        if (state === 'busy') state = 'free'
      }
    },
    async close() {
      state = 'closed'
    },
  }
}

/** Nothing was sent while a transaction is packed, so that what goes wrong there has had no effect. */
async function packOrRefuse(
  topics: Topics,
  transaction: Transaction,
): Promise<readonly PartitionWrites[] | Commit> {
  try {
    return await pack(topics, transaction)
  } catch (error) {
    return asRefused(error)
  }
}
