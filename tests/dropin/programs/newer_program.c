// SPDX-License-Identifier: Apache-2.0
// newer_program [ARGUMENT]: needs a libibverbs function that doesn't exist; with an argument it even calls it.
int ibv_new_call(void);

int main(int argc, char* argv[]) {
    (void)argv;
    return argc > 1 ? ibv_new_call() : 0;
}
