import { type AddressInfo, createServer, type Socket } from 'node:net'

/**
 * A server that speaks enough of PostgreSQL's protocol to ask for the password in plain text and to answer it with an
 * error of the test's making: what it was given, or text that would steer a terminal.
 */
export type LoudPostgres = Readonly<{ port: number; close(): Promise<void> }>

/** `says` gets the password and gives the words of the error; `state` is its SQLSTATE. `tls`: what it says to a wish for TLS. */
export async function loudPostgres(
  options: Readonly<{ state: string; says: (password: string) => string; tls?: 'S' | 'N' }>,
): Promise<LoudPostgres> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('data', (data: Buffer) => {
      if (data.readInt32BE(0) === 8 && data.readInt32BE(4) === SSL_REQUEST) socket.write(options.tls ?? 'N')
      else if (data[0] === PASSWORD) socket.end(failure(options.state, options.says(passwordIn(data))))
      else if (data[0] === 0) socket.write(message('R', Buffer.from([0, 0, 0, CLEARTEXT])))
      else socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const SSL_REQUEST = 80_877_103
const PASSWORD = 'p'.charCodeAt(0)
const CLEARTEXT = 3

function passwordIn(data: Buffer): string {
  return data.subarray(5, data.indexOf(0, 5)).toString()
}

function failure(state: string, words: string): Buffer {
  const fields = Object.entries({ S: 'ERROR', V: 'ERROR', C: state, M: words })
  return message('E', Buffer.from(`${fields.map(([kind, text]) => `${kind}${text}\0`).join('')}\0`))
}

function message(kind: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(kind)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
