import { Worker } from 'node:worker_threads'
import type { Json } from '../../adapters/contract.ts'
import type { Config } from '../config/model.ts'
import type { SourceHost, SourceHosts } from '../hosts.ts'
import type { SourceMode, SourceRequest } from '../lane/source.ts'
import { VerbRefused } from '../lane/verb-refused.ts'
import type { EmbeddedDescriptor } from '../log/embedded.ts'
import type { Logger } from '../runtime.ts'
import type { FailpointSetting } from './kill-failpoints.ts'

/** What a source's thread is started with. */
export type ThreadSettings = Readonly<{
  config: Config
  packageFolder: string
  /** Of the embedded log; null where a thread opens its own as the config says. */
  log: EmbeddedDescriptor | null
  failpoint: FailpointSetting | null
}>

/** To a source's thread. */
export type ThreadCommand = Readonly<
  | { kind: 'start'; source: string; mode: SourceMode }
  | { kind: 'stop'; source: string }
  | { kind: 'request'; id: number; source: string; request: SourceRequest }
>

/** From a source's thread. */
export type ThreadReport = Readonly<
  | { kind: 'answer'; id: number; value: Json }
  | { kind: 'refused'; id: number; message: string; isVerbRefused: boolean }
  | { kind: 'ended'; source: string; reason: string | null }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; message: string; fields: object }
>

export type ThreadOptions = Readonly<{
  config: Config
  packageFolder: string
  /** The embedded log for one more thread; null where a thread opens its own as the config says. */
  connectLog: () => EmbeddedDescriptor | null
  logger: Logger
  failpoint: FailpointSetting | null
  /** The program of a thread, where it is not `worker.ts`. */
  worker?: URL
  /** How long a source may take to finish the batch under way before its thread is ended. */
  stopMs?: number
}>

/**
 * Each source in a worker thread of its own, so that one that hangs, burns or crashes costs no other; only sources
 * beyond `workersMax` share one. What crosses are verbs, answers and lines for the logger, all of them plain JSON.
 */
export function createThreadHosts(options: ThreadOptions): SourceHosts {
  const names = Object.keys(options.config.sources).sort()
  const threads = new Map<number, SourceThread>()
  return {
    start(source, mode) {
      const slot = names.indexOf(source) % options.config.workersMax
      let thread = threads.get(slot)
      if (thread === undefined || thread.isDead) {
        thread = new SourceThread(options, `source ${source}`)
        threads.set(slot, thread)
      }
      return thread.start(source, mode)
    },
    async close() {
      await Promise.all([...threads.values()].map((thread) => thread.close()))
    },
  }
}

/** A quarter of what Node takes by itself: 150 MB less for each thread, at the same speed (measured). */
const YOUNG_MEGABYTES = 12

/** Supervisors of services give a process 20 s or more to end; the rest is for the log and the publisher. */
const STOP_MS = 15_000

type Waiting = Readonly<{ source: string; resolve: (value: Json) => void; reject: (error: Error) => void }>
type Ending = Readonly<{ resolve: () => void; reject: (error: Error) => void }>

class SourceThread {
  readonly #worker: Worker
  readonly #logger: Logger
  readonly #waiting = new Map<number, Waiting>()
  readonly #endings = new Map<string, Ending>()
  readonly #stopMs: number
  #requests = 0
  isDead = false

  constructor(options: ThreadOptions, name: string) {
    this.#logger = options.logger
    this.#stopMs = options.stopMs ?? STOP_MS
    const log = options.connectLog()
    const settings: ThreadSettings = {
      config: options.config,
      packageFolder: options.packageFolder,
      log,
      failpoint: options.failpoint,
    }
    // Run from the sources or from the built package.
    const file = import.meta.url.endsWith('.ts') ? '../worker.ts' : '../worker.js'
    this.#worker = new Worker(options.worker ?? new URL(file, import.meta.url), {
      workerData: settings,
      transferList: log === null ? [] : [log.port],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEGABYTES },
      name,
    })
    this.#worker.on('message', (report: ThreadReport) => this.#take(report))
    this.#worker.on('error', (error) => this.#died(error instanceof Error ? error.message : String(error)))
    this.#worker.on('exit', (code) => this.#died(`its thread ended with code ${code}`))
  }

  start(source: string, mode: SourceMode): SourceHost {
    const done = new Promise<void>((resolve, reject) => {
      this.#endings.set(source, { resolve, reject })
    })
    done.catch(() => undefined)
    this.#tell({ kind: 'start', source, mode })
    return {
      done,
      request: (request) => this.#request(source, request),
      stop: async () => {
        this.#tell({ kind: 'stop', source })
        const late = AbortSignal.timeout(this.#stopMs)
        const given = new Promise<void>((resolve) => late.addEventListener('abort', () => resolve()))
        await Promise.race([done.catch(() => undefined), given])
        // A thread that burns or hangs hears nothing any more; what it had not committed is read again.
        if (late.aborted) this.#died(`it did not stop within ${this.#stopMs} ms`)
        if (this.#endings.size === 0) await this.close()
      },
    }
  }

  async close(): Promise<void> {
    this.isDead = true
    await this.#worker.terminate()
  }

  #request(source: string, request: SourceRequest): Promise<Json> {
    if (this.isDead) return Promise.reject(new VerbRefused(`Source ${source} is not running.`))
    this.#requests += 1
    const id = this.#requests
    return new Promise<Json>((resolve, reject) => {
      this.#waiting.set(id, { source, resolve, reject })
      this.#tell({ kind: 'request', id, source, request })
    })
  }

  #tell(command: ThreadCommand): void {
    if (!this.isDead) this.#worker.postMessage(command)
  }

  #take(report: ThreadReport): void {
    switch (report.kind) {
      case 'log':
        this.#logger[report.level](report.message, report.fields)
        return
      case 'ended': {
        const ending = this.#endings.get(report.source)
        this.#endings.delete(report.source)
        if (report.reason === null) ending?.resolve()
        else ending?.reject(new Error(report.reason))
        return
      }
      case 'answer':
        this.#settle(report.id)?.resolve(report.value)
        return
      case 'refused': {
        const { message } = report
        this.#settle(report.id)?.reject(report.isVerbRefused ? new VerbRefused(message) : new Error(message))
      }
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }

  #died(reason: string): void {
    this.isDead = true
    for (const { source, reject } of this.#waiting.values()) {
      reject(new VerbRefused(`Source ${source} is not running: ${reason}.`))
    }
    this.#waiting.clear()
    for (const ending of this.#endings.values()) ending.reject(new Error(reason))
    this.#endings.clear()
  }
}
