import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import { createSecureContext, TLSSocket } from 'node:tls'
import { createMessageReader, PACKET, packetsOf } from './packets.ts'

const PACKET_BYTES = 4096

/**
 * TLS as TDS 7 wraps it: the handshake travels inside PRELOGIN messages, one answer to each, and everything after it
 * bare. No such server speaks TLS 1.3 there.
 */
export function wrapInTls(socket: Socket, options: SecureContextOptions): TLSSocket {
  const reader = createMessageReader()
  let isHandshake = true
  let flight: Buffer[] = []
  const sendFlight = () => {
    if (flight.length > 0 && !socket.destroyed)
      socket.write(packetsOf(PACKET.prelogin, Buffer.concat(flight), PACKET_BYTES))
    flight = []
  }
  const inner = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      if (!isHandshake) return void socket.write(chunk, () => done())
      // The pieces of a flight are written in one turn, and the client waits for one message.
      if (flight.length === 0) setImmediate(sendFlight)
      flight.push(chunk)
      done()
    },
    destroy(error, done) {
      sendFlight()
      socket.destroy()
      done(error)
    },
  })
  socket.on('data', (chunk) => {
    if (isHandshake && chunk[0] !== PACKET.prelogin) isHandshake = false
    if (!isHandshake) return void inner.push(chunk)
    for (const { payload } of reader.push(chunk)) inner.push(payload)
  })
  socket.on('close', () => inner.destroy())
  const secure = new TLSSocket(inner, {
    isServer: true,
    secureContext: createSecureContext({ maxVersion: 'TLSv1.2', ...options }),
  })
  secure.on('error', () => socket.destroy())
  return secure
}
