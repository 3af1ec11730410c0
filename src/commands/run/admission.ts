import { peerOf } from "../../endpoints/connection.ts";
import { descriptorsLeft } from "../../endpoints/open-files.ts";
import type { Ends } from "../../events.ts";
import type { Context } from "../context.ts";

/**
 * Whether one more client is let in, with so many there: one that is not is told of, and so is one
 * that took the last descriptor.
 */
export function admission(
  maxConnections = Infinity,
  { emit }: Context,
): (client: Ends, there: number) => boolean {
  const left = descriptorsLeft();
  return (client, there) => {
    if (there >= maxConnections) {
      const count = there === 1 ? "1 client is" : `${String(there)} clients are`;
      const reason = `${count} there already (--max-connections)`;
      emit({ event: "refused", remote: peerOf(client), reason });
      return false;
    }
    if (!left(there + 1)) {
      const message = `no descriptor is left for another client (EMFILE, see ulimit -n): the system drops those that come`;
      emit({ event: "warning", message });
    }
    return true;
  };
}
