import type { Ports } from '../ports.ts'
import type { DingTalkClient, Sent } from './client.ts'
import type { Directory } from './directory.ts'
import type { Governor } from './governor.ts'
import type { Routes } from './routes.ts'

/** What all input partitions of a publisher share. */
export type Work = Readonly<{
  ports: Pick<Ports, 'runtime' | 'log' | 'logger' | 'failpoints'>
  gateway: string
  routes: Routes
  directory: Directory
  client: DingTalkClient
  governor: Governor
  noticePartitions: number
  /** After every step: how far the partition has been read, and how many notices are open. */
  progress(at: Readonly<{ topic: string; partition: number; position: number; open: number }>): void
}>

/** Results of calls by notice, until a committed transaction says them. They outlive a lost transaction. */
export type Results = Map<string, Readonly<{ attempt: number; ended: Sent }>>

/** The whole of one call, measured from the commit of its `sending`. */
export const CALL_MS = 15_000
/** From then on, measured before that commit, the call is over. The next owner waits it out. */
export const CALL_OVER_MS = 20_000
