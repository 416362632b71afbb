import { describe } from 'vitest'
import type { Log, TopicSpec } from '../../gateway/log/port.ts'
import { testLogGroups } from './log-contract-groups.ts'
import { testLogReading } from './log-contract-reading.ts'
import { testLogRetention } from './log-contract-retention.ts'
import { testLogFullDisk, testLogTrouble } from './log-contract-trouble.ts'
import { testLogWriting } from './log-contract-writing.ts'

/** What a driver's test supplies: a log that outlives those who use it, and ways to make it fail. */
export interface LogWorld {
  /** Of topics that are made; at least 2. */
  readonly partitions: number
  /**
   * A user of the log: the first is the one that started it, further ones are what else there can be (a thread, a
   * client, a process).
   */
  open(): Promise<Log>
  /**
   * Ends all users and begins anew on the same storage. `lose`: the answer to the very next transaction gets lost,
   * before or after it was committed.
   */
  restart(lose?: 'before-commit' | 'after-commit'): Promise<Log>
  /** Leaves less room than 200 kB; resolves to a function that makes more. Null where the room is a server's. */
  readonly fill: ((log: Log) => Promise<() => Promise<void>>) | null
  /** Drops what the specs do not promise to keep, `afterMs` from now. Null where a server does it in its own time. */
  readonly prune: ((afterMs: number) => Promise<void>) | null
  close(): Promise<void>
}

export type MakeLogWorld = () => Promise<LogWorld>

/** Topics as a gateway has them. A world serves one check, so their names may be fixed. */
export const ORDERS: TopicSpec = { name: 'erp.sales-order.v1', cleanup: 'compact', keepMs: 60_000 }
export const CURSORS: TopicSpec = { name: 'gateway.cursors', cleanup: 'compact', keepMs: 60_000 }
export const REJECTS: TopicSpec = { name: 'gateway.rejects', cleanup: 'delete', keepMs: 60_000 }

/**
 * Holds a driver of the log to every promise of `gateway/log/port.ts`, one named check each. All drivers pass the
 * very same checks, or the simulation, which runs on the one in memory, proves nothing. Room and retention are a
 * `server`'s own where there is one: such a driver is held to what it asks of it (settings), by a test of its own.
 */
export function testLog(name: string, makeWorld: MakeLogWorld, keeper: 'driver' | 'server' = 'driver'): void {
  describe(`log: ${name}`, () => {
    testLogWriting(makeWorld)
    testLogReading(makeWorld)
    testLogTrouble(makeWorld)
    testLogGroups(makeWorld)
    if (keeper === 'server') return
    testLogFullDisk(makeWorld)
    testLogRetention(makeWorld)
  })
}
