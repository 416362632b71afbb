import type { Assignment, Commit, Log, Writer } from './log/port.ts'
import type { Http, HttpAnswer, Names, Ports, Projection, Projections } from './ports.ts'
import type { Failpoints, HistoryEntry, Logger, Runtime, Tasks } from './runtime.ts'

/** What every call of a port answers once its incarnation is over. Nothing to report: its owner ended it. */
export class Revoked extends Error {
  override readonly name = 'Revoked'

  constructor() {
    super('This incarnation is over; nothing that it does reaches a port.')
  }
}

/** A moment beside one call of a port: before it has any effect, or after the effect with the answer on its way. */
export type PortCall = Readonly<{ port: string; operation: string; moment: 'before' | 'after' }>

export type IncarnationOptions = Readonly<{
  /** Stands in the history of its calls. */
  number: number
  /** Asked at each moment of each call; `crash` ends the incarnation there. Tests kill with it. */
  onCall?: (call: PortCall) => 'go-on' | 'crash'
}>

export type Incarnation = Readonly<{
  /** The same ports, behind the gate. */
  ports: Ports
  /**
   * From now on nothing reaches a port: every call rejects or throws `Revoked`, calls under way as well, and tasks
   * see their signals abort. An effect already handed to a port may still happen, as after kill -9. Only clocks and
   * chance go on answering.
   */
  crash(): void
  isCrashed(): boolean
}>

/**
 * One life of something that works through ports: a gateway between two kills in the simulation, a lane between two
 * starts in production, where `crash` is the fence. What the gate lets through is recorded in the ports' history.
 */
export function incarnate(ports: Ports, options: IncarnationOptions): Incarnation {
  const gate = createGate(ports, options)
  return {
    ports: {
      runtime: gatedRuntime(ports.runtime, gate),
      tasks: gatedTasks(ports.tasks, gate),
      logger: gatedLogger(ports.logger, gate),
      failpoints: gatedFailpoints(ports.failpoints, gate),
      history: ports.history,
      log: gatedLog(ports.log, gate),
      projections: gatedProjections(ports.projections, gate),
      http: gatedHttp(ports.http, gate),
      files: {
        read: (path) => gate.now('files', 'read', () => ports.files.read(path)),
        list: (path) => gate.now('files', 'list', () => ports.files.list(path)),
      },
      secrets: { read: (reference) => gate.now('secrets', 'read', () => ports.secrets.read(reference)) },
      redactor: ports.redactor,
      names: gatedNames(ports.names, gate),
    },
    crash: gate.crash,
    isCrashed: gate.isCrashed,
  }
}

type Phase = Exclude<HistoryEntry['phase'], 'invoke'>

/** What a call says about itself in the history, and how its answer is to be understood. */
type Told<Answer> = Readonly<{ detail?: unknown; phase?: (answer: Answer) => Phase }>

type Gate = Readonly<{
  call<Answer>(
    port: string,
    operation: string,
    run: () => Promise<Answer>,
    told?: Told<Answer>,
  ): Promise<Answer>
  now<Answer>(port: string, operation: string, run: () => Answer): Answer
  each<Item>(
    port: string,
    operation: string,
    signal: AbortSignal,
    open: (signal: AbortSignal) => AsyncIterable<Item>,
  ): AsyncIterable<Item>
}> &
  Life

/**
 * Calls that a dead incarnation may still make before they are parked for good: enough for every `finally` to run,
 * too few for a loop that retries whatever fails to spin.
 */
const LAST_CALLS_MAX = 100

function createGate(ports: Ports, { number, onCall = () => 'go-on' }: IncarnationOptions): Gate {
  const life = createLife()
  let lastCalls = 0

  const record = (port: string, operation: string, phase: HistoryEntry['phase'], detail: unknown) => {
    const at = Number(ports.runtime.mono() / 1_000_000n)
    ports.history.record({ at, incarnation: number, port, operation, phase, detail })
  }
  const pass = (call: PortCall) => {
    if (!life.isCrashed() && onCall(call) === 'crash') life.crash()
    if (life.isCrashed()) throw new Revoked()
  }
  const enter = (port: string, operation: string, detail: unknown) => {
    pass({ port, operation, moment: 'before' })
    record(port, operation, 'invoke', detail)
  }
  const leave = (port: string, operation: string, phase: Phase, detail: unknown) => {
    try {
      pass({ port, operation, moment: 'after' })
    } catch (revoked) {
      record(port, operation, 'unknown', null)
      throw revoked
    }
    record(port, operation, phase, detail)
  }
  const call: Gate['call'] = async (port, operation, run, told = {}) => {
    if (life.isCrashed() && ++lastCalls > LAST_CALLS_MAX) await new Promise<never>(() => {})
    enter(port, operation, told.detail ?? null)
    const answer = await life.revocable(run()).catch((error: unknown) => {
      if (error instanceof Revoked) record(port, operation, 'unknown', null)
      else leave(port, operation, 'fail', String(error))
      throw error
    })
    leave(port, operation, told.phase?.(answer) ?? 'ok', answer)
    return answer
  }
  return {
    ...life,
    call,
    now(port, operation, run) {
      enter(port, operation, null)
      const answer = run()
      leave(port, operation, 'ok', null)
      return answer
    },
    async *each(port, operation, signal, open) {
      const linked = life.link(signal)
      const inner = open(linked.signal)[Symbol.asyncIterator]()
      try {
        for (;;) {
          const step = await call(port, operation, () => inner.next())
          if (step.done === true) return
          yield step.value
        }
      } finally {
        linked.release()
        if (!life.isCrashed()) await inner.return?.()
      }
    },
  }
}

type Life = Readonly<{
  crash(): void
  isCrashed(): boolean
  /** The same promise, rejected at the crash when it is still open then. */
  revocable<Answer>(running: Promise<Answer>): Promise<Answer>
  /** A signal that aborts with the given one and with the incarnation, until it is released. */
  link(signal: AbortSignal): Linked
  /** A signal that aborts with the given one while the incarnation lives: what was handed over is not called back. */
  outlive(signal: AbortSignal): Linked
}>

type Linked = Readonly<{ signal: AbortSignal; release(): void }>

/** Knows what is under way, so that the end reaches all of it, and holds nothing of what is over. */
function createLife(): Life {
  const revocations = new Set<(revoked: Revoked) => void>()
  let isCrashed = false
  return {
    isCrashed: () => isCrashed,
    crash() {
      if (isCrashed) return
      isCrashed = true
      const pending = [...revocations]
      revocations.clear()
      const revoked = new Revoked()
      for (const revoke of pending) revoke(revoked)
    },
    revocable: (running) =>
      new Promise((resolve, reject) => {
        const ended = () => void revocations.delete(reject)
        revocations.add(reject)
        running.then(resolve, reject).then(ended, ended)
      }),
    link(signal) {
      const controller = new AbortController()
      const release = () => {
        signal.removeEventListener('abort', outer)
        revocations.delete(revoke)
      }
      const end = (reason: unknown) => {
        release()
        controller.abort(reason)
      }
      const revoke = (revoked: Revoked) => end(revoked)
      const outer = () => end(signal.reason)
      if (isCrashed) end(new Revoked())
      else if (signal.aborted) end(signal.reason)
      else {
        signal.addEventListener('abort', outer, { once: true })
        revocations.add(revoke)
      }
      return { signal: controller.signal, release }
    },
    outlive(signal) {
      const controller = new AbortController()
      const outer = () => {
        if (!isCrashed) controller.abort(signal.reason)
      }
      if (signal.aborted) controller.abort(signal.reason)
      signal.addEventListener('abort', outer, { once: true })
      return { signal: controller.signal, release: () => signal.removeEventListener('abort', outer) }
    },
  }
}

// ─── the ports ──────────────────────────────────────────────────────────────────────────────────

function gatedLog(log: Log, gate: Gate): Log {
  return {
    ensure: (topics, signal) => gate.call('log', 'ensure', () => log.ensure(topics, signal)),
    writer: async (identity, signal, groups) =>
      gatedWriter(
        identity,
        await gate.call('log', 'writer', () => log.writer(identity, signal, groups), { detail: identity }),
        gate,
      ),
    end: (partition, signal) => gate.call('log', 'end', () => log.end(partition, signal)),
    readTo: (partition, from, { to, signal }) =>
      gate.each('log', 'readTo', signal, (linked) =>
        log.readTo(partition, from, to === undefined ? { signal: linked } : { to, signal: linked }),
      ),
    position: (group, partition, signal) =>
      gate.call('log', 'position', () => log.position(group, partition, signal)),
    async *subscribe(group, topics, signal) {
      const assignments = gate.each('log', 'subscribe', signal, (linked) =>
        log.subscribe(group, topics, linked),
      )
      for await (const assignment of assignments) yield gatedAssignment(assignment, gate)
    },
    close: () => gate.call('log', 'close', () => log.close()),
  }
}

/** A transaction that was handed over is not called back: after kill -9 its request is still on its way. */
function gatedWriter(identity: string, writer: Writer, gate: Gate): Writer {
  return {
    async transact(transaction, signal) {
      const outliving = gate.outlive(signal)
      try {
        return await gate.call('log', 'transact', () => writer.transact(transaction, outliving.signal), {
          detail: { identity, transaction },
          phase: commitPhase,
        })
      } finally {
        outliving.release()
      }
    },
    close: () => gate.call('log', 'close-writer', () => writer.close()),
  }
}

function commitPhase(commit: Commit): Phase {
  if (commit.kind === 'unknown') return 'unknown'
  return commit.kind === 'committed' ? 'ok' : 'fail'
}

function gatedAssignment(assignment: Assignment, gate: Gate): Assignment {
  return {
    topic: assignment.topic,
    partition: assignment.partition,
    signal: gate.link(assignment.signal).signal,
    position: () => gate.call('log', 'position', () => assignment.position()),
    read: (from) => gate.each('log', 'read', assignment.signal, () => assignment.read(from)),
  }
}

function gatedProjections(projections: Projections, gate: Gate): Projections {
  return {
    open: (lane) =>
      gatedProjection(
        gate.now('projection', 'open', () => projections.open(lane)),
        gate,
      ),
  }
}

function gatedProjection(inner: Projection, gate: Gate): Projection {
  const now = <Answer>(operation: string, run: () => Answer) => gate.now('projection', operation, run)
  return {
    applied: () => now('applied', () => inner.applied()),
    rows: (sourceKeys) => now('rows', () => inner.rows(sourceKeys)),
    owners: (recordKeys) => now('owners', () => inner.owners(recordKeys)),
    foreign: (recordKeys) => now('foreign', () => inner.foreign(recordKeys)),
    contested: (limit) => now('contested', () => inner.contested(limit)),
    highestReadOrder: () => now('highestReadOrder', () => inner.highestReadOrder()),
    apply: (change) => now('apply', () => inner.apply(change)),
    passBatches: (pass) => now('passBatches', () => inner.passBatches(pass)),
    unseen: (before, after, limit) => now('unseen', () => inner.unseen(before, after, limit)),
    standing: (after, limit) => now('standing', () => inner.standing(after, limit)),
    rejected: (after, limit) => now('rejected', () => inner.rejected(after, limit)),
    count: () => now('count', () => inner.count()),
    reset: () => now('reset', () => inner.reset()),
    close: () => now('close', () => inner.close()),
  }
}

function gatedHttp(http: Http, gate: Gate): Http {
  return {
    async send(request, signal) {
      const linked = gate.link(signal)
      try {
        return await gate.call('http', 'send', () => http.send(request, linked.signal), {
          phase: answerPhase,
        })
      } finally {
        linked.release()
      }
    },
  }
}

function answerPhase(answer: HttpAnswer): Phase {
  if (answer.kind === 'unknown') return 'unknown'
  return answer.kind === 'answered' ? 'ok' : 'fail'
}

function gatedNames(names: Names, gate: Gate): Names {
  return {
    resolve: (host, signal) => gate.call('names', 'resolve', () => names.resolve(host, signal)),
  }
}

// ─── the runtime ────────────────────────────────────────────────────────────────────────────────

/**
 * Only sleeping is gated. Clocks and chance touch nothing, and a `finally` that asks them must not fail where the call
 * before it has failed already.
 */
function gatedRuntime(runtime: Runtime, gate: Gate): Runtime {
  return {
    ...runtime,
    async sleep(ms, signal) {
      const linked = gate.link(signal)
      try {
        await gate.call('runtime', 'sleep', () => runtime.sleep(ms, linked.signal))
      } finally {
        linked.release()
      }
    },
  }
}

/** Tasks of a dead incarnation see their signal abort and end quietly, whatever they throw. */
function gatedTasks(tasks: Tasks, gate: Gate): Tasks {
  return {
    spawn(owner, name, signal, run) {
      if (gate.isCrashed()) throw new Revoked()
      const linked = gate.link(signal)
      return tasks.spawn(owner, name, linked.signal, async (taskSignal) => {
        try {
          await run(taskSignal)
        } catch (error) {
          if (!gate.isCrashed()) throw error
        } finally {
          linked.release()
        }
      })
    },
    settled: (owner) => tasks.settled(owner),
  }
}

function gatedLogger(logger: Logger, gate: Gate): Logger {
  return {
    info: (message, fields) => (gate.isCrashed() ? undefined : logger.info(message, fields)),
    warn: (message, fields) => (gate.isCrashed() ? undefined : logger.warn(message, fields)),
    error: (message, fields) => (gate.isCrashed() ? undefined : logger.error(message, fields)),
  }
}

function gatedFailpoints(failpoints: Failpoints, gate: Gate): Failpoints {
  return { hit: (name) => gate.now('failpoint', name, () => failpoints.hit(name)) }
}
