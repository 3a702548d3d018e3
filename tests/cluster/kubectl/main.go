// Command kubectl is a program of its own: suites start it thousands of times, and as a part of the cluster's program it
// would take more than twice the CPU to start.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

func main() {
	os.Exit(cli.Run(cmd.NewDefaultKubectlCommand()))
}
