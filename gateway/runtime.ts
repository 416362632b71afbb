import type { Logger, Runtime } from '../adapters/contract.ts'

export type { Logger, Runtime }

/**
 * Steps of the protocols between which a process may die. Tests kill it there; in production `hit` does nothing.
 * A new step in a protocol gets its name here, or no test will ever stop in it.
 */
export const FAILPOINTS = [
  'lane.after-fence',
  'lane.after-catch-up',
  'lane.after-poll',
  'lane.before-transact',
  'lane.after-transact',
  'lane.after-apply',
  'lane.after-settle',
  'log.before-commit',
  'log.after-commit',
  'publisher.after-plan',
  'publisher.before-send',
  'publisher.after-send',
  'publisher.after-record',
] as const

export type FailpointName = (typeof FAILPOINTS)[number]

export interface Failpoints {
  hit(name: FailpointName): void
}

export const NO_FAILPOINTS: Failpoints = { hit: () => undefined }

/** A background task. It belongs to an owner, has a name for people, and ends when its signal aborts. */
export type Task = Readonly<{ owner: string; name: string; done: Promise<void> }>

/** The only way to start work that nobody awaits. A task that fails is reported to `failed`, never lost. */
export interface Tasks {
  spawn(owner: string, name: string, signal: AbortSignal, run: (signal: AbortSignal) => Promise<void>): Task
  /** Resolves when every task of the owner has ended. */
  settled(owner?: string): Promise<void>
}

export function createTasks(failed: (task: Pick<Task, 'owner' | 'name'>, error: unknown) => void): Tasks {
  const running = new Set<Task>()
  return {
    spawn(owner, name, signal, run) {
      const done = (async () => run(signal))().catch((error: unknown) => {
        if (!isAbort(error, signal)) failed({ owner, name }, error)
      })
      const task: Task = { owner, name, done: done.finally(() => void running.delete(task)) }
      running.add(task)
      return task
    },
    async settled(owner) {
      const mine = [...running].filter((task) => owner === undefined || task.owner === owner)
      await Promise.all(mine.map((task) => task.done))
    },
  }
}

/** Whether an error is the wanted end of work whose signal aborted, and so no error at all. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  return (
    signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError'))
  )
}

/** One call of a port, as it was seen from outside. Checkers are pure functions over a list of these. */
export type HistoryEntry = Readonly<{
  at: number
  incarnation: number
  port: string
  operation: string
  phase: 'invoke' | 'ok' | 'fail' | 'unknown'
  detail: unknown
}>

export interface History {
  record(entry: HistoryEntry): void
}

export const NO_HISTORY: History = { record: () => undefined }
