import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import type { Answer, DatabaseSession } from './database.ts'
import { openDatabase } from './database.ts'
import type { Engine } from './engine.ts'
import type { Login } from './login.ts'
import { ENCRYPTION, readLogin, readPrelogin, writePrelogin } from './login.ts'
import type { Message } from './packets.ts'
import { createMessageReader, PACKET, packetsOf } from './packets.ts'
import type { Call } from './requests.ts'
import { PROCEDURES, readBatch, readCall, readTransaction } from './requests.ts'
import { asFailure } from './sql/failure.ts'
import type { SqlError } from './tokens.ts'
import {
  changeToken,
  collationToken,
  columnsToken,
  DONE,
  doneToken,
  loginToken,
  messageToken,
  returnStatusToken,
  returnValueToken,
  rowToken,
  STATUS,
  transactionToken,
} from './tokens.ts'
import { wrapInTls } from './tunnel.ts'

/**
 * What a test wants to happen at a statement instead of its answer: nothing (until the client asks to stop), the
 * connection gone, an error, or rows that it makes up.
 */
export type Fault = 'stall' | 'drop' | SqlError | Answer

export type ServerOptions = Readonly<{
  /** Null: the test answers every statement itself. */
  engine: Engine | null
  user: string
  password: string
  database?: string
  /** Absent: the server does not encrypt. */
  tls?: SecureContextOptions
  /** Asked before each statement; null lets it run. */
  fault?: (statement: string) => Fault | null
}>

/** A server of TDS 7.4 for tests: the protocol is played whole, the SQL as far as our dialect writes it. */
export interface TdsServer {
  readonly port: number
  /** Every statement that clients sent, in their order. */
  readonly statements: readonly string[]
  readonly logins: readonly Omit<Login, 'password'>[]
  setFault(fault: ((statement: string) => Fault | null) | null): void
  /** Ends every connection without a word. */
  hangUp(): void
  stop(): Promise<void>
}

export async function startTdsServer(options: ServerOptions): Promise<TdsServer> {
  const state: State = {
    options,
    statements: [],
    logins: [],
    fault: options.fault ?? null,
    sockets: new Set(),
  }
  const server: Server = createServer((socket) => serve(socket, state))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const hangUp = () => {
    for (const socket of state.sockets) socket.destroy()
  }
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    statements: state.statements,
    logins: state.logins,
    setFault(fault) {
      state.fault = fault
    },
    hangUp,
    async stop() {
      hangUp()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type State = {
  readonly options: ServerOptions
  readonly statements: string[]
  readonly logins: Omit<Login, 'password'>[]
  readonly sockets: Set<Socket>
  fault: ((statement: string) => Fault | null) | null
}

/** A connection before its login: PRELOGIN, and TLS where both want it. */
function serve(socket: Socket, state: State): void {
  state.sockets.add(socket)
  socket.on('error', () => {})
  socket.on('close', () => state.sockets.delete(socket))
  const reader = createMessageReader()
  const greet = (chunk: Buffer) => {
    for (const { type, payload } of reader.push(chunk)) {
      socket.off('data', greet)
      if (type !== PACKET.prelogin) return void socket.destroy()
      const { tls } = state.options
      const wants = [ENCRYPTION.on, ENCRYPTION.required].includes(readPrelogin(payload) as 1 | 3)
      const answer = tls === undefined ? ENCRYPTION.unsupported : ENCRYPTION.required
      socket.write(packetsOf(PACKET.answer, writePrelogin(answer), FIRST_PACKET_BYTES))
      if (tls === undefined) return createConnection(socket, state)
      // A client that cannot encrypt must hang up by itself.
      if (wants) createConnection(wrapInTls(socket, tls), state)
    }
  }
  socket.on('data', greet)
}

const FIRST_PACKET_BYTES = 4096

type Connection = {
  readonly stream: Duplex
  readonly state: State
  session: DatabaseSession | null
  packetBytes: number
  /** Ends the wait of a statement that stalls. */
  release: (() => void) | null
  readonly prepared: Map<number, string>
  transaction: Buffer | null
}

function createConnection(stream: Duplex, state: State): void {
  const connection: Connection = {
    stream,
    state,
    session: null,
    packetBytes: FIRST_PACKET_BYTES,
    release: null,
    prepared: new Map(),
    transaction: null,
  }
  const reader = createMessageReader()
  let turn: Promise<void> = Promise.resolve()
  stream.on('data', (chunk: Buffer) => {
    for (const message of reader.push(chunk)) {
      // What the client wants to stop is under way: this does not wait for its turn.
      if (message.type === PACKET.attention) connection.release?.()
      turn = turn.then(() => handle(connection, message)).catch(() => void stream.destroy())
    }
  })
  stream.on('error', () => {})
  stream.on('close', () => {
    connection.release?.()
    // Nobody is left to hear of it.
    turn = turn.then(() => connection.session?.close()).catch(() => undefined)
  })
}

async function handle(connection: Connection, { type, payload }: Message): Promise<void> {
  switch (type) {
    case PACKET.login:
      return logIn(connection, readLogin(payload))
    case PACKET.batch:
      return answer(connection, DONE.done, readBatch(payload), [])
    case PACKET.rpc:
      return call(connection, readCall(payload))
    case PACKET.transaction:
      return transact(connection, payload)
    case PACKET.ignored:
      return send(connection, [doneToken(DONE.done, STATUS.error)])
    case PACKET.attention:
      return send(connection, [doneToken(DONE.done, STATUS.attention)])
    default:
      connection.stream.destroy()
  }
}

async function logIn(connection: Connection, { password, ...login }: Login): Promise<void> {
  const { options, logins } = connection.state
  logins.push(login)
  const database = options.database ?? 'erp'
  const refuse = (number: number, message: string) =>
    send(connection, [messageToken({ number, message, class: 14 }), doneToken(DONE.done, STATUS.error)])
  if (login.user !== options.user || password !== options.password) {
    await refuse(18456, `Login failed for user '${login.user}'.`)
    return void connection.stream.end()
  }
  if (login.database !== database) {
    await refuse(4060, `Cannot open database "${login.database}" requested by the login. The login failed.`)
    return void connection.stream.end()
  }
  if (options.engine !== null) connection.session = await openDatabase(options.engine)
  const bytes = login.packetBytes === 0 ? FIRST_PACKET_BYTES : login.packetBytes
  await send(connection, [
    changeToken('database', database, 'master'),
    collationToken(),
    messageToken({ number: 5701, message: `Changed database context to '${database}'.`, class: 0 }),
    loginToken(),
    changeToken('packetBytes', String(bytes), String(FIRST_PACKET_BYTES)),
    doneToken(DONE.done, 0),
  ])
  connection.packetBytes = bytes
}

async function call(connection: Connection, { procedure, parameters }: Call): Promise<void> {
  const [first, second, third, ...others] = parameters
  const values = (of: typeof parameters) => of.map(({ value }) => value)
  switch (procedure) {
    case PROCEDURES.executeSql:
      // The statement, the declaration of its parameters, and these.
      return answer(connection, DONE.procedure, first?.value ?? '', values(parameters.slice(2)))
    case 'sp_prepare':
    case PROCEDURES.prepare: {
      const handle = connection.prepared.size + 1
      connection.prepared.set(handle, third?.value ?? '')
      return send(connection, [
        returnStatusToken(),
        returnValueToken('@handle', handle),
        doneToken(DONE.procedure, 0),
      ])
    }
    case 'sp_execute':
    case PROCEDURES.execute: {
      const statement = connection.prepared.get(Number(first?.value)) ?? ''
      return answer(
        connection,
        DONE.procedure,
        statement,
        values([second, third, ...others].filter((of) => of !== undefined)),
      )
    }
    case 'sp_unprepare':
    case PROCEDURES.unprepare:
      connection.prepared.delete(Number(first?.value))
      return send(connection, [returnStatusToken(), doneToken(DONE.procedure, 0)])
    default:
      return send(connection, [
        messageToken({ number: 2812, message: `Could not find stored procedure '${procedure}'.` }),
        doneToken(DONE.procedure, STATUS.error),
      ])
  }
}

/** Runs a statement, or does what the test wants in its place. */
async function answer(
  connection: Connection,
  kind: number,
  statement: string,
  parameters: readonly (string | null)[],
): Promise<void> {
  const { state, session } = connection
  state.statements.push(statement)
  const fault = state.fault?.(statement) ?? null
  if (fault === 'drop') return void connection.stream.destroy()
  if (fault === 'stall') {
    await new Promise<void>((resolve) => {
      connection.release = resolve
    })
    connection.release = null
    // What was asked ends here; the attention has an answer of its own.
    return send(connection, [doneToken(kind, STATUS.error)])
  }
  if (fault !== null && 'number' in fault) return sendFailure(connection, kind, fault)
  try {
    const answers = fault === null ? ((await session?.run(statement, parameters)) ?? []) : [fault]
    await send(connection, answerTokens(kind, answers))
  } catch (error) {
    const { number, message } = asFailure(error)
    await sendFailure(connection, kind, { number, message })
  }
}

function answerTokens(kind: number, answers: readonly Answer[]): readonly Buffer[] {
  const inner = kind === DONE.procedure ? DONE.inProcedure : DONE.done
  const tokens = answers.flatMap(({ columns, rows, rowCount }, index) => {
    const isLast = index === answers.length - 1 && kind === DONE.done
    const status = STATUS.count | (isLast ? 0 : STATUS.more)
    const data =
      columns.length === 0 ? [] : [columnsToken(columns), ...rows.map((row) => rowToken(columns, row))]
    return [...data, doneToken(inner, status, rowCount)]
  })
  if (kind === DONE.procedure) return [...tokens, returnStatusToken(), doneToken(kind, 0)]
  return tokens.length === 0 ? [doneToken(kind, 0)] : tokens
}

async function sendFailure(connection: Connection, kind: number, error: SqlError): Promise<void> {
  // These end the transaction, which the client hears of.
  const isEnded = [1205, 3960].includes(error.number) && connection.transaction !== null
  const change =
    isEnded && connection.transaction ? [transactionToken('rollback', connection.transaction)] : []
  if (isEnded) {
    await connection.session?.rollback()
    connection.transaction = null
  }
  await send(connection, [messageToken(error), ...change, doneToken(kind, STATUS.error)])
}

const SNAPSHOT = 5

async function transact(connection: Connection, payload: Buffer): Promise<void> {
  const request = readTransaction(payload)
  const { session, transaction } = connection
  if (request.kind === 'begin') {
    const descriptor = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])
    await session?.begin(request.isolation === SNAPSHOT ? 'repeatable' : 'committed')
    connection.transaction = descriptor
    return send(connection, [transactionToken('begin', descriptor), doneToken(DONE.done, 0)])
  }
  if (transaction === null || request.kind === 'other')
    return sendFailure(connection, DONE.done, { number: 3902, message: 'There is no transaction.' })
  await session?.[request.kind]()
  connection.transaction = null
  return send(connection, [transactionToken(request.kind, transaction), doneToken(DONE.done, 0)])
}

async function send(connection: Connection, tokens: readonly Buffer[]): Promise<void> {
  if (connection.stream.destroyed) return
  connection.stream.write(packetsOf(PACKET.answer, Buffer.concat(tokens), connection.packetBytes))
}
