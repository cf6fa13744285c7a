"""A TCP proxy that makes a distant server of a near one: every byte arrives later, none is lost, and the
bandwidth stays.

    proxy.py TARGET_PORT ONE_WAY_MILLISECONDS     prints its own port, runs until it is ended
"""

import queue
import socket
import sys
import threading
import time


def pump(source, sink, delay):
    """Reads at once, writes after `delay`: two threads, so that what is under way does not wait for itself."""
    under_way = queue.Queue()

    def write():
        while True:
            due, data = under_way.get()
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
            except OSError:
                return

    threading.Thread(target=write, daemon=True).start()
    while True:
        try:
            data = source.recv(256 * 1024)
        except OSError:
            data = b""
        under_way.put((time.monotonic() + delay, data))
        if not data:
            return


def serve(port, delay):
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", port))
        for it in (client, server):
            it.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pair in ((client, server), (server, client)):
            threading.Thread(target=pump, args=(*pair, delay), daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]) / 1000)
