import type { MessagePort } from 'node:worker_threads'
import { parentPort, workerData } from 'node:worker_threads'
import type { FailpointSetting } from '../node/kill-failpoints.ts'
import { killAt } from '../node/kill-failpoints.ts'
import { NO_FAILPOINTS } from '../runtime.ts'
import type { Store, Work } from './embedded-store.ts'
import { openStore } from './embedded-store.ts'
import type { Answer, Request, WriterReport } from './embedded-wire.ts'
import { LogError } from './errors.ts'

/** What the thread that writes the embedded log is started with. */
export type WriterSettings = Readonly<{
  folder: string
  diskBytesMax: number
  sinceMs: number
  failpoint: FailpointSetting | null
}>

/** What the thread that started it says: another thread connects, or it is time to end. */
export type WriterCommand = Readonly<{ kind: 'connect'; port: MessagePort } | { kind: 'close' }>

/** A group is closed when it has this much, so that one commit holds up nobody for long. */
const GROUP_BYTES_MAX = 8_000_000

type Watch = Readonly<{ part: number; from: number }>
type Waiting = Readonly<{ port: MessagePort; work: Work }>

type Service = {
  readonly store: Store
  readonly parent: MessagePort
  /** The threads that use the log, and what each waits for, by the number of its request. */
  readonly watches: Map<MessagePort, Map<number, Watch>>
  /** Bounded by what each thread may have under way (see `embedded-client.ts`). */
  queue: Waiting[]
  isScheduled: boolean
  isClosing: boolean
  hasReported: boolean
}

function begin(settings: WriterSettings, parent: MessagePort): void {
  const report = (message: WriterReport) => parent.postMessage(message)
  try {
    const { failpoint } = settings
    const failpoints =
      failpoint === null ? NO_FAILPOINTS : killAt(failpoint.name, failpoint.nth, failpoint.ends)
    const store = openStore({ ...settings, failpoints })
    const service: Service = {
      store,
      parent,
      watches: new Map(),
      queue: [],
      isScheduled: false,
      isClosing: false,
      hasReported: false,
    }
    parent.on('message', (command: WriterCommand) => {
      if (command.kind === 'connect') return connect(service, command.port)
      service.isClosing = true
      schedule(service)
    })
    report({ kind: 'ready' })
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    report({ kind: 'failed', code: error.code, message: error.message })
  }
}

function connect(service: Service, port: MessagePort): void {
  service.watches.set(port, new Map())
  port.on('message', (request: Request) => take(service, port, request))
  port.on('close', () => void service.watches.delete(port))
}

function take(service: Service, port: MessagePort, request: Request): void {
  if (request.kind === 'watch') {
    if (service.store.next(request.part) > request.from)
      answer(port, { id: request.id, result: { kind: 'moved' } })
    else service.watches.get(port)?.set(request.id, request)
  } else if (request.kind === 'unwatch') {
    service.watches.get(port)?.delete(request.id)
  } else {
    service.queue.push({ port, work: request })
    schedule(service)
  }
}

function schedule(service: Service): void {
  if (service.isScheduled) return
  service.isScheduled = true
  setImmediate(() => workOff(service))
}

/** All that came in while the last commit ran goes into the next one. */
function workOff(service: Service): void {
  service.isScheduled = false
  const group = takeGroup(service)
  if (group.length > 0) {
    const results = service.store.run(group.map(({ work }) => work))
    for (const [place, { port, work }] of group.entries()) {
      const result = results[place]
      if (result !== undefined) answer(port, { id: work.id, result })
    }
    wake(service)
    service.store.maintain()
    reportStop(service)
  }
  if (service.queue.length > 0) schedule(service)
  else if (service.isClosing) end(service)
}

/** Whoever started this thread hears once that the log has stopped, also where nobody writes just now. */
function reportStop(service: Service): void {
  const message = service.store.stopped()
  if (message === null || service.hasReported) return
  service.hasReported = true
  service.parent.postMessage({ kind: 'failed', code: 'LOG_STOPPED', message } satisfies WriterReport)
}

function takeGroup(service: Service): readonly Waiting[] {
  let bytes = 0
  const full = service.queue.findIndex(({ work }) => {
    const isFull = bytes >= GROUP_BYTES_MAX
    bytes += work.kind === 'transact' ? work.packed.byteLength : 0
    return isFull
  })
  const group = full === -1 ? service.queue : service.queue.slice(0, full)
  service.queue = full === -1 ? [] : service.queue.slice(full)
  return group
}

function wake(service: Service): void {
  for (const [port, watches] of service.watches) {
    for (const [id, { part, from }] of watches) {
      if (service.store.next(part) <= from) continue
      watches.delete(id)
      answer(port, { id, result: { kind: 'moved' } })
    }
  }
}

function answer(port: MessagePort, message: Answer): void {
  port.postMessage(message)
}

function end(service: Service): void {
  service.store.close()
  for (const port of service.watches.keys()) port.close()
  service.parent.close()
}

// The thread that starts this one passes the settings; see `startWriter` in `embedded.ts`.
if (parentPort !== null) begin(workerData as WriterSettings, parentPort)
