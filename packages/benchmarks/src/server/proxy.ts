/** A TCP port that is some milliseconds of round trip away from the one behind it. */
import * as Net from "node:net"

/** Keeps the order: timers of one length fire in the order they were set. */
const delay = (from: Net.Socket, to: Net.Socket, milliseconds: number) => {
  from.on("data", (data) => setTimeout(() => to.write(data), milliseconds))
  from.on("end", () => setTimeout(() => to.end(), milliseconds))
  from.on("close", () => setTimeout(() => to.destroy(), milliseconds + 1))
  from.on("error", () => to.destroy())
}

export const delaying = (port: number, roundTrip: number): Promise<number> =>
  new Promise((resolve) => {
    const server = Net.createServer((client) => {
      client.pause()
      client.setNoDelay(true)
      client.on("error", () => client.destroy())
      // Opening a connection costs a round trip, which loopback does not show. TLS would cost another one.
      setTimeout(() => {
        const upstream = Net.connect(port, "127.0.0.1").setNoDelay(true)
        delay(client, upstream, roundTrip / 2)
        delay(upstream, client, roundTrip / 2)
        client.resume()
      }, roundTrip)
    })
    server.listen(0, "127.0.0.1", () => resolve((server.address() as Net.AddressInfo).port))
  })
