/**
 * Whether sockets, pipes and files are to be read and written the plain way, with Node's streams
 * alone: what happens by itself wherever Node or the system is not as the faster way needs it.
 */
export const plainPath = process.env.PORTCAT_PLAIN === "1";
