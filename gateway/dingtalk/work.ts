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

/**
 * What this run of a partition's publisher did about each `sending` that it put down for a notice, until a committed
 * transaction says how the notice stands after it. It outlives a lost transaction and a partition that was dealt anew, and
 * whoever wrote another `sending` is not it.
 */
export type Results = Readonly<{
  /** Stands in every `sending` of this run. */
  sender: string
  /** By notice and attempt. */
  byNotice: Map<string, Map<number, Sent | 'not-called'>>
}>

/** The whole of one call, measured from the commit of its `sending`. */
export const CALL_MS = 15_000
/** From then on, measured before that commit, the call is over. The next owner waits it out. */
export const CALL_OVER_MS = 20_000
