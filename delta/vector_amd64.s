//go:build !purego

#include "textflag.h"

// Everything here is arithmetic mod 2^16 in 16-bit lanes, in which carries past
// the top are meant to vanish.

// weights<> holds 32, 31, ... 1: byte i of 32 counts that often.
DATA weights<>+0(SB)/8, $0x191a1b1c1d1e1f20
DATA weights<>+8(SB)/8, $0x1112131415161718
DATA weights<>+16(SB)/8, $0x090a0b0c0d0e0f10
DATA weights<>+24(SB)/8, $0x0102030405060708
GLOBL weights<>(SB), RODATA|NOPTR, $32

// last<> shuffles the last word of each 128-bit half into all its words.
DATA last<>+0(SB)/8, $0x0f0e0f0e0f0e0f0e
DATA last<>+8(SB)/8, $0x0f0e0f0e0f0e0f0e
DATA last<>+16(SB)/8, $0x0f0e0f0e0f0e0f0e
DATA last<>+24(SB)/8, $0x0f0e0f0e0f0e0f0e
GLOBL last<>(SB), RODATA|NOPTR, $32

// ahead is how far the sum of a block has memory read ahead of it. It is often the
// first to look at the bytes, and processors don't read ahead across pages by
// themselves: 1 GiB then takes 0.12 s instead of 0.07. Past the end it does nothing.
#define ahead 4096

// func weakHalvesAVX2(data *byte, n int) (a, b uint32)
//
// Y0 sums the bytes (a); Y1 sums Y0 before each step, so it weighs a byte by the
// number of steps behind it; Y2 sums the weighted bytes. b = 32*Y1 + Y2.
TEXT ·weakHalvesAVX2(SB), NOSPLIT, $0-24
	MOVQ     data+0(FP), SI
	MOVQ     n+8(FP), CX
	VPXOR    Y0, Y0, Y0
	VPXOR    Y1, Y1, Y1
	VPXOR    Y2, Y2, Y2
	VMOVDQU  weights<>(SB), Y6
	VPCMPEQB Y7, Y7, Y7
	VPABSB   Y7, Y7                // bytes of 1
	VPCMPEQW Y8, Y8, Y8
	VPABSW   Y8, Y8                // words of 1

sumLoop:
	PREFETCHT0 ahead(SI)
	VMOVDQU    (SI), Y3
	VPADDW     Y0, Y1, Y1
	VPMADDUBSW Y3, Y7, Y4          // pairs: x0 + x1
	VPMADDUBSW Y3, Y6, Y5          // pairs: w0*x0 + w1*x1, below 2^15
	VPADDW     Y4, Y0, Y0
	VPADDW     Y5, Y2, Y2
	ADDQ       $32, SI
	SUBQ       $32, CX
	JNZ        sumLoop

	VPSLLW  $5, Y1, Y1
	VPADDW  Y1, Y2, Y2
	VPMADDWD Y8, Y0, Y0            // 8 dwords each
	VPMADDWD Y8, Y2, Y2
	VPHADDD Y2, Y0, Y0             // a a b b | a a b b
	VPHADDD Y0, Y0, Y0             // a b a b | a b a b
	VEXTRACTI128 $1, Y0, X1
	VPADDD  X1, X0, X0
	VMOVD   X0, AX
	VPEXTRD $1, X0, BX
	MOVL    AX, a+16(FP)
	MOVL    BX, b+20(FP)
	VZEROUPPER
	RET

// PREFIX replaces each word of Y by the sum of itself and those before it, and
// then adds the sum of all words before, which it keeps in every word of SUM.
// Y13 is last<>, Y14 has ones in its high half only.
#define PREFIX(Y, T, U, SUM) \
	VPSLLDQ    $2, Y, T       \
	VPADDW     T, Y, Y        \
	VPSLLDQ    $4, Y, T       \
	VPADDW     T, Y, Y        \
	VPSLLDQ    $8, Y, T       \
	VPADDW     T, Y, Y        \ // each half is done on its own
	VPSHUFB    Y13, Y, T      \ // total of low | total of high
	VPERM2I128 $0x01, T, T, U \ // total of high | total of low
	VPADDW     SUM, Y, Y      \
	VPADDW     T, SUM, SUM    \
	VPADDW     U, SUM, SUM    \
	VPAND      U, Y14, U      \ // 0 | total of low
	VPADDW     U, Y, Y

// lag is how many positions probing is behind rolling, a multiple of 16. A word
// that is loaded soon after the vector store that holds it stalls: with a lag of 0
// the whole takes 1.6 times as long, with 32 to 96 there is no difference.
#define lag 64

// TEST shifts into AX whether the first table has the bit for position I of the
// sixteen. No gather: it is no faster here, and slow on many processors.
#define TEST(I) \
	MOVWLZX (2*I-2*lag-32)(DX), R8 \
	MOVWLZX (2*I-2*lag-32)(DI), R9 \
	MOVL    (R10)(R8*4), R8        \
	BTL     R9, R8                 \
	ADCL    AX, AX

// func sweepAVX2(first *[firstWords]uint32, hits *[batch / 64]uint64, sumA, sumB *uint16, out, in *byte, m int, n, a, b uint16)
//
// Sixteen positions at a time: a is the running sum of in - out, and b that of
// a - n*out. A round rolls over sixteen positions and probes the filter for those
// lag before; in one loop, so that the scalar instructions of the one run beside
// the vector instructions of the other. The first rounds only roll, the last ones
// only probe.
TEXT ·sweepAVX2(SB), NOSPLIT, $0-62
	MOVQ         first+0(FP), R10
	MOVQ         hits+8(FP), R11
	MOVQ         sumA+16(FP), DI
	MOVQ         sumB+24(FP), DX
	MOVQ         out+32(FP), SI
	MOVQ         in+40(FP), BX
	MOVQ         m+48(FP), CX
	VPBROADCASTW n+56(FP), Y10
	VPBROADCASTW a+58(FP), Y11
	VPBROADCASTW b+60(FP), Y12
	VMOVDQU      last<>(SB), Y13
	VPCMPEQB     Y14, Y14, Y14
	VPERM2I128   $0x08, Y14, Y14, Y14
	MOVQ         CX, R12                   // positions still to probe
	ADDQ         $lag, CX                  // lag + positions still to roll over

sweepLoop:
	CMPQ      CX, $lag
	JLE       probe
	VPMOVSXBW (SI), Y0
	VPMOVSXBW (BX), Y1
	VPSUBW    Y0, Y1, Y1
	VPMULLW   Y10, Y0, Y0
	PREFIX(Y1, Y2, Y3, Y11)
	VMOVDQU   Y1, (DI)
	VPSUBW    Y0, Y1, Y1
	PREFIX(Y1, Y2, Y3, Y12)
	VMOVDQU   Y1, (DX)

probe:
	SUBQ      $16, CX
	ADDQ      $16, SI
	ADDQ      $16, BX
	ADDQ      $32, DI
	ADDQ      $32, DX
	CMPQ      CX, R12
	JGE       sweepLoop
	XORL      AX, AX
	TEST(15)
	TEST(14)
	TEST(13)
	TEST(12)
	TEST(11)
	TEST(10)
	TEST(9)
	TEST(8)
	TEST(7)
	TEST(6)
	TEST(5)
	TEST(4)
	TEST(3)
	TEST(2)
	TEST(1)
	TEST(0)
	MOVW      AX, (R11)
	ADDQ      $2, R11
	SUBQ      $16, R12
	JNZ       sweepLoop
	VZEROUPPER
	RET
