import { type Proxy as ProxyFlag, withCredentials } from "../../cli/proxy-options.ts";
import { type Proxy, type Tunnel, tunnelThrough } from "../../endpoints/tunnel.ts";
import type { Context } from "../context.ts";

/** How to go through a proxy that was asked for. @throws PortcatError (exit code 2) for what cannot be used */
export async function tunnelOf(
  proxy: ProxyFlag,
  proxyCa: string | undefined,
  context: Context,
): Promise<Tunnel> {
  const named: Proxy = withCredentials(proxy, process.env["PORTCAT_PROXY_AUTH"]);
  if (proxy.protocol !== "https") return tunnelThrough(named);
  const { clientTls } = await import("./tls.ts");
  const secure = clientTls(proxyCa === undefined ? {} : { ca: proxyCa }, context, "--proxy-ca");
  return tunnelThrough({ ...named, secure });
}
