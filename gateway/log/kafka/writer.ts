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
import { runTransaction, TRANSACTION_MS } from './transaction.ts'

export type WriterOptions = Readonly<{
  cluster: KafkaCluster
  topics: Topics
  runtime: Runtime
  failpoints: Failpoints
}>

/** What a writer knows of a partition: the number of its next record, and the offset of its last. */
export type PartitionState = { sequence: number; last: number }

/** How long a writer that came before may take to be ended: its transaction is broken off meanwhile. */
const FENCE_MS = 30_000

/**
 * A writer with this identity: whoever had it before is fenced, and what it left open is broken off, when this
 * resolves. (An empty transaction on top, as clients make, does nothing more: the broker refuses one.)
 */
export async function openWriter(
  options: WriterOptions,
  identity: string,
  signal: AbortSignal,
): Promise<Writer> {
  const { cluster } = options
  const request = { identity, timeoutMs: TRANSACTION_MS }
  const { error, producer } = await cluster.decided(
    'transaction',
    identity,
    (node) => cluster.ask(INIT_PRODUCER, request, { node, use: 'write', timeoutMs: REQUEST_MS }),
    (answer) => answer.error,
    FENCE_MS,
    signal,
  )
  if (error !== CODES.NONE) throw refusal(error, `writing as ${identity}`)
  return createWriter(options, identity, producer)
}

function createWriter(options: WriterOptions, identity: string, producer: Producer): Writer {
  const parts = new Map<string, PartitionState>()
  const topicIds = new Map<string, string>()
  let state: 'free' | 'busy' | 'spent' | 'closed' = 'free'
  const decide = async (transaction: Transaction, signal: AbortSignal): Promise<Commit> => {
    const packed = await packOrRefuse(options.topics, transaction)
    if ('kind' in packed) return packed
    signal.throwIfAborted()
    const context = { ...options, identity, producer, parts, topicIds }
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
