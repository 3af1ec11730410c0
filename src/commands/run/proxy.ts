import { type ProxyFlag, withCredentials } from "../../cli/proxy-options.ts";
import type { Proxy } from "../../endpoints/tunnel.ts";
import type { Context } from "../context.ts";

/** The proxy that was asked for, with its credentials. @throws PortcatError (exit code 2) for what cannot be used */
export async function proxyOf(
  typed: ProxyFlag,
  proxyCa: string | undefined,
  context: Context,
): Promise<Proxy> {
  const proxy = withCredentials(typed, process.env["PORTCAT_PROXY_AUTH"]);
  if (proxy.protocol !== "https") return proxy;
  const { clientTls } = await import("./tls.ts");
  const secure = clientTls(proxyCa === undefined ? {} : { ca: proxyCa }, context, "--proxy-ca");
  return { ...proxy, secure };
}
