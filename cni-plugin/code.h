/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classes of failure that a runtime sees. In the plugin a function that can fail for the
 * runtime's reasons returns 0 or one of these (the class is not an errno, because the runtime acts
 * on the code), with a text in struct fw_err. Functions below that level (netlink, files, sockets)
 * return 0 or -errno as everywhere else.
 */
#ifndef FW_CNI_CODE_H
#define FW_CNI_CODE_H

enum fw_cni_code {
	/* CNI specification, section "Error" */
	FW_CNI_VERSION = 1,
	FW_CNI_CONTAINER = 3,
	FW_CNI_ENVIRONMENT = 4,
	FW_CNI_IO = 5,
	FW_CNI_DECODE = 6,
	FW_CNI_CONFIG = 7,
	FW_CNI_TRY_AGAIN = 11,
	FW_CNI_NOT_AVAILABLE = 50,
	/* ours */
	FW_CNI_ATTACH = 100, /* the datapath is there and the pod could not be put behind it */
	FW_CNI_INTERFACE =
		101, /* the chain did not leave the interface that its result describes */
	FW_CNI_UNCOVERED = 102, /* CHECK: the pod is not, or not wholly, behind the wall */
};

#endif
