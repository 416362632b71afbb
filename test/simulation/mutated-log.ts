import type { Log, Writer } from '../../gateway/log/port.ts'

/** Guards of whoever writes to the log, switched off from outside: what it asks for becomes what it must never do. */
export const LOG_MUTATIONS = ['unknown-commit-retried', 'position-before-effect'] as const

export type LogMutation = (typeof LOG_MUTATIONS)[number]

export function isLogMutation(name: string): name is LogMutation {
  return LOG_MUTATIONS.some((known) => known === name)
}

/** The same log, through writers without these guards. */
export function mutatedLog(log: Log, mutations: ReadonlySet<LogMutation>): Log {
  if (mutations.size === 0) return log
  return {
    ensure: (topics, signal) => log.ensure(topics, signal),
    end: (partition, signal) => log.end(partition, signal),
    readTo: (partition, from, options) => log.readTo(partition, from, options),
    position: (group, partition, signal) => log.position(group, partition, signal),
    subscribe: (group, topics, signal) => log.subscribe(group, topics, signal),
    close: () => log.close(),
    async writer(identity, signal, groups) {
      const open = () => log.writer(identity, signal, groups)
      const split = mutations.has('position-before-effect')
      const writer = split ? positionsFirst(await open()) : await open()
      return mutations.has('unknown-commit-retried') ? retrying(writer, open) : writer
    },
  }
}

/** Positions are moved before the records that say what became of what was read. */
function positionsFirst(writer: Writer): Writer {
  return {
    async transact({ records, positions = [] }, signal) {
      if (records.length === 0 || positions.length === 0)
        return await writer.transact({ records, positions }, signal)
      const moved = await writer.transact({ records: [], positions }, signal)
      return moved.kind === 'committed' ? await writer.transact({ records }, signal) : moved
    },
    close: () => writer.close(),
  }
}

/** A transaction of which nobody can say what became of it is made once more. */
function retrying(first: Writer, open: () => Promise<Writer>): Writer {
  let writer = first
  return {
    async transact(transaction, signal) {
      const commit = await writer.transact(transaction, signal)
      if (commit.kind !== 'unknown') return commit
      writer = await open()
      return await writer.transact(transaction, signal)
    },
    close: () => writer.close(),
  }
}
